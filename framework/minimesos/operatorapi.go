package minimesos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/gogo/protobuf/proto"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/maintenance"
	operator "github.com/mesos/mesos-go/api/v1/lib/master"
)

// serveOperator answers the v1 operator API, of which only TEARDOWN and what concerns maintenance is there.
func (m *master) serveOperator(w http.ResponseWriter, r *http.Request) error {
	if err := checkMethod(w, r); err != nil {
		return err
	}
	call := &operator.Call{}
	if err := readCall(r, call); err != nil {
		return err
	}
	if err := checkOperatorCall(call); err != nil {
		return badRequest("Failed to validate master::Call: %s", err)
	}
	response, err := m.command(call)
	if err != nil {
		return err
	}
	if response == nil {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	media, ok := acceptedMedia(r.Header.Values("Accept"))
	if !ok {
		return &httpError{
			http.StatusNotAcceptable,
			"Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'",
		}
	}
	body := toJSON(response)
	if media == mediaProtobuf {
		if body, err = proto.Marshal(response); err != nil {
			return fmt.Errorf("encode response: %w", err)
		}
	}
	writeBody(w, media, body)
	return nil
}

func writeBody(w http.ResponseWriter, media string, body []byte) {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body) //nolint:errcheck // the client is gone
}

// checkOperatorCall finds what is missing in a call.
func checkOperatorCall(c *operator.Call) error {
	if _, known := operator.Call_Type_name[int32(c.Type)]; !known || c.Type == operator.Call_UNKNOWN {
		return wiref("Expecting 'type' to be present")
	}
	for _, part := range []struct {
		of      operator.Call_Type
		name    string
		present bool
	}{
		{operator.Call_TEARDOWN, "teardown", c.Teardown != nil},
		{operator.Call_UPDATE_MAINTENANCE_SCHEDULE, "update_maintenance_schedule", c.UpdateMaintenanceSchedule != nil},
		{operator.Call_START_MAINTENANCE, "start_maintenance", c.StartMaintenance != nil},
		{operator.Call_STOP_MAINTENANCE, "stop_maintenance", c.StopMaintenance != nil},
		{operator.Call_UPDATE_WEIGHTS, "update_weights", c.UpdateWeights != nil},
		{operator.Call_DRAIN_AGENT, "drain_agent", c.DrainAgent != nil},
		{operator.Call_DEACTIVATE_AGENT, "deactivate_agent", c.DeactivateAgent != nil},
		{operator.Call_REACTIVATE_AGENT, "reactivate_agent", c.ReactivateAgent != nil},
	} {
		if c.Type == part.of && !part.present {
			return wiref("Expecting '%s' to be present", part.name)
		}
	}
	return nil
}

// command does what an operator's call asks for. A nil response is an empty one.
func (m *master) command(c *operator.Call) (*operator.Response, error) {
	switch c.Type {
	case operator.Call_TEARDOWN:
		if !m.teardown(c.Teardown.FrameworkID.Value) {
			return nil, badRequest("No framework found with specified ID")
		}
		return nil, nil
	case operator.Call_UPDATE_MAINTENANCE_SCHEDULE:
		return nil, m.setSchedule(c.UpdateMaintenanceSchedule.Schedule)
	case operator.Call_START_MAINTENANCE:
		return nil, m.machinesDown(c.StartMaintenance.Machines)
	case operator.Call_STOP_MAINTENANCE:
		return nil, m.machinesUp(c.StopMaintenance.Machines)
	case operator.Call_DRAIN_AGENT:
		return nil, m.drainAgent(c.DrainAgent)
	case operator.Call_DEACTIVATE_AGENT:
		return nil, m.deactivateAgent(c.DeactivateAgent.AgentID.Value)
	case operator.Call_REACTIVATE_AGENT:
		return nil, m.reactivateAgent(c.ReactivateAgent.AgentID.Value)
	case operator.Call_UPDATE_WEIGHTS:
		return nil, m.setWeights(c.UpdateWeights.WeightInfos)
	case operator.Call_GET_WEIGHTS:
		return m.weightsResponse(), nil
	case operator.Call_GET_MAINTENANCE_SCHEDULE:
		return &operator.Response{
			Type: operator.Response_GET_MAINTENANCE_SCHEDULE,
			GetMaintenanceSchedule: &operator.Response_GetMaintenanceSchedule{
				Schedule: *m.currentSchedule(),
			},
		}, nil
	case operator.Call_GET_MAINTENANCE_STATUS:
		return &operator.Response{
			Type: operator.Response_GET_MAINTENANCE_STATUS,
			GetMaintenanceStatus: &operator.Response_GetMaintenanceStatus{
				Status: *m.status(),
			},
		}, nil
	default:
		return nil, &httpError{http.StatusNotImplemented, "501 Not Implemented."}
	}
}

func (m *master) currentSchedule() *maintenance.Schedule {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.schedule
	return &s
}

// The older endpoints print their objects with sorted members.
func sortedJSON(msg any) ([]byte, error) {
	var v any
	in := json.NewDecoder(bytes.NewReader(toJSON(msg)))
	in.UseNumber() // 2.0 stays 2.0
	if err := in.Decode(&v); err != nil {
		return nil, fmt.Errorf("sort members: %w", err)
	}
	return json.Marshal(v)
}

// serveMaintenance answers /maintenance/schedule and /maintenance/status.
func (m *master) serveMaintenance(w http.ResponseWriter, r *http.Request, what string) error {
	if what == "/maintenance/schedule" && r.Method != http.MethodGet {
		return m.serveMachines(w, r, func(v any) error {
			var s maintenance.Schedule
			if err := decodeBody(v, &s); err != nil {
				return err
			}
			return m.setSchedule(s)
		})
	}
	var msg any = m.currentSchedule()
	if what == "/maintenance/status" {
		msg = m.status()
	}
	body, err := sortedJSON(msg)
	if err != nil {
		return err
	}
	writeBody(w, mediaJSON, body)
	return nil
}

// serveMachine answers /machine/down and /machine/up, whose bodies are lists of machines.
func (m *master) serveMachine(w http.ResponseWriter, r *http.Request, do func([]mesos.MachineID) error) error {
	return m.serveMachines(w, r, func(v any) error {
		list, ok := v.([]any)
		if !ok {
			return badRequest("Expecting a JSON array")
		}
		ids := make([]mesos.MachineID, len(list))
		for i := range list {
			if err := decodeBody(list[i], &ids[i]); err != nil {
				return err
			}
		}
		return do(ids)
	})
}

func (m *master) serveMachines(w http.ResponseWriter, r *http.Request, do func(any) error) error {
	if err := checkMethod(w, r); err != nil {
		return err
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	v, err := parseJSON(body)
	if err != nil {
		return badRequest("%s", err)
	}
	if err := do(v); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// decodeBody reads a parsed body into a message.
func decodeBody(v, msg any) error {
	obj, ok := v.(map[string]any)
	if !ok {
		return badRequest("Expecting a JSON object")
	}
	missing, err := decodeMessage(reflect.ValueOf(msg).Elem(), obj)
	if err == nil && len(missing) > 0 {
		err = wiref("Missing required fields: %s", strings.Join(missing, ", "))
	}
	if err != nil {
		return badRequest("%s", err)
	}
	return nil
}
