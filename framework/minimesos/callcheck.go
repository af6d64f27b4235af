package minimesos

import (
	"strconv"
	"strings"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// validateCall checks what can be checked without the state of the master.
func validateCall(c *scheduler.Call) error {
	name, known := scheduler.Call_Type_name[int32(c.Type)]
	if !known || c.Type == scheduler.Call_UNKNOWN {
		return wiref("Expecting 'type' to be present")
	}
	if c.Type != scheduler.Call_SUBSCRIBE && c.FrameworkID == nil {
		return wiref("Expecting 'framework_id' to be present")
	}
	if !hasBody(c) {
		return wiref("Expecting '%s' to be present", strings.ToLower(name))
	}
	switch c.Type {
	case scheduler.Call_SUBSCRIBE:
		if c.Subscribe.FrameworkInfo.GetID().GetValue() != c.FrameworkID.GetValue() {
			return wiref("'framework_id' differs from 'subscribe.framework_info.id'")
		}
	case scheduler.Call_UPDATE_FRAMEWORK:
		if c.UpdateFramework.FrameworkInfo.ID.GetValue() != c.FrameworkID.Value {
			return wiref("'framework_id' differs from 'update_framework.framework_info.id'")
		}
	case scheduler.Call_ACKNOWLEDGE:
		return checkUUID(c.Acknowledge.UUID)
	case scheduler.Call_ACKNOWLEDGE_OPERATION_STATUS:
		return checkUUID(c.AcknowledgeOperationStatus.UUID)
	}
	return nil
}

func checkUUID(b []byte) error {
	if len(b) != 16 {
		return wiref("Not a valid UUID")
	}
	return nil
}

func hasBody(c *scheduler.Call) bool {
	switch c.Type {
	case scheduler.Call_SUBSCRIBE:
		return c.Subscribe != nil
	case scheduler.Call_ACCEPT:
		return c.Accept != nil
	case scheduler.Call_DECLINE:
		return c.Decline != nil
	case scheduler.Call_ACCEPT_INVERSE_OFFERS:
		return c.AcceptInverseOffers != nil
	case scheduler.Call_DECLINE_INVERSE_OFFERS:
		return c.DeclineInverseOffers != nil
	case scheduler.Call_KILL:
		return c.Kill != nil
	case scheduler.Call_SHUTDOWN:
		return c.Shutdown != nil
	case scheduler.Call_ACKNOWLEDGE:
		return c.Acknowledge != nil
	case scheduler.Call_ACKNOWLEDGE_OPERATION_STATUS:
		return c.AcknowledgeOperationStatus != nil
	case scheduler.Call_RECONCILE:
		return c.Reconcile != nil
	case scheduler.Call_RECONCILE_OPERATIONS:
		return c.ReconcileOperations != nil
	case scheduler.Call_MESSAGE:
		return c.Message != nil
	case scheduler.Call_REQUEST:
		return c.Request != nil
	case scheduler.Call_UPDATE_FRAMEWORK:
		return c.UpdateFramework != nil
	}
	return true // TEARDOWN, REVIVE, SUPPRESS
}

// validateRole checks a role name.
func validateRole(role string) error {
	switch {
	case role == unreserved:
		return nil
	case role == "":
		return wiref("Role names cannot be the empty string")
	case strings.HasPrefix(role, "/"):
		return wiref("Role '%s' cannot start with a slash", role)
	case strings.HasSuffix(role, "/"):
		return wiref("Role '%s' cannot end with a slash", role)
	case strings.Contains(role, "//"):
		return wiref("Role '%s' cannot contain two adjacent slashes", role)
	}
	for _, part := range strings.Split(role, "/") {
		switch {
		case part == "." || part == ".." || part == unreserved:
			return wiref("Role '%s' cannot include '%s' as a component", role, part)
		case strings.HasPrefix(part, "-"):
			return wiref("Role component '%s' is invalid because it starts with a dash", part)
		case strings.ContainsAny(part, "\x08\x09\x0a\x0b\x0c\x0d\x20\x7f"):
			return wiref("Role component '%s' is invalid because it contains backspace or whitespace", part)
		}
	}
	return nil
}

// validateID checks an id that becomes part of a path.
func validateID(id string) error {
	switch {
	case id == "":
		return wiref("ID must not be empty")
	case len(id) > 255:
		return wiref("ID must not be greater than 255 characters")
	case id == "." || id == "..":
		return wiref("'%s' is disallowed", id)
	}
	for _, c := range []byte(id) {
		if c < ' ' || c == 0x7f || c == '/' || c == '\\' {
			return wiref("'%s' contains invalid characters", id)
		}
	}
	return nil
}

// cNumber prints a number as the C++ library prints it in messages.
func cNumber(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
