package minimesos

import (
	"net/http"
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	operator "github.com/mesos/mesos-go/api/v1/lib/master"
)

// weight is how much a role counts when roles share; 1 unless an operator has said otherwise.
func (a *allocator) weight(role string) float64 {
	if w, ok := a.weights[role]; ok {
		return w
	}
	return 1
}

// setWeights changes the weights of some roles. If one of them has a framework all offers are made anew.
func (m *master) setWeights(infos []mesos.WeightInfo) error {
	for i := range infos {
		role := infos[i].GetRole()
		if err := validateRole(role); err != nil {
			return badRequest("Failed to validate update weights request JSON: Invalid role '%s': %s", role, err)
		}
		if !(infos[i].Weight > 0) {
			return badRequest("Failed to validate update weights request JSON for role '%s': Invalid weight '%s': Weights must be positive",
				role, cNumber(infos[i].Weight))
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	used := false
	for i := range infos {
		role := infos[i].GetRole()
		m.alloc.weights[role] = infos[i].Weight
		for _, f := range m.frameworks {
			used = used || slices.Contains(rolesOf(&f.info), role)
		}
	}
	if !used {
		return nil
	}
	for _, o := range m.offersOf(func(*offer) bool { return true }) {
		m.rescind(o)
	}
	return nil
}

// weightInfos lists the weights that an operator has set.
func (m *master) weightInfos() []mesos.WeightInfo {
	m.mu.Lock()
	defer m.mu.Unlock()
	var infos []mesos.WeightInfo
	for _, role := range sortedKeys(m.alloc.weights) {
		infos = append(infos, mesos.WeightInfo{Role: &role, Weight: m.alloc.weights[role]})
	}
	return infos
}

func (m *master) weightsResponse() *operator.Response {
	r := &operator.Response{Type: operator.Response_GET_WEIGHTS}
	if infos := m.weightInfos(); len(infos) > 0 {
		r.GetWeights = &operator.Response_GetWeights{WeightInfos: infos}
	}
	return r
}

// serveWeights answers GET and PUT of /weights.
func (m *master) serveWeights(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPut {
		body := []byte("[")
		for i, info := range m.weightInfos() {
			if i > 0 {
				body = append(body, ',')
			}
			one, err := sortedJSON(&info)
			if err != nil {
				return err
			}
			body = append(body, one...)
		}
		writeBody(w, mediaJSON, append(body, ']'))
		return nil
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	v, err := parseJSON(body)
	if err != nil {
		return badRequest("%s", err)
	}
	list, ok := v.([]any)
	if !ok {
		return badRequest("Failed to parse update weights request JSON: Expecting a JSON array")
	}
	infos := make([]mesos.WeightInfo, len(list))
	for i := range list {
		if err := decodeBody(list[i], &infos[i]); err != nil {
			return err
		}
	}
	if err := m.setWeights(infos); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}
