package minimesos

import (
	"encoding/json"
	"net/http"
)

func (m *master) writeJSON(w http.ResponseWriter, _ *http.Request, v any) {
	w.Header().Set("Content-Type", mediaJSON)
	json.NewEncoder(w).Encode(v)
}
func (m *master) versionJSON() any    { return nil }
func (m *master) stateJSON() any      { return nil }
func (m *master) slavesJSON() any     { return nil }
func (m *master) frameworksJSON() any { return nil }
func (m *master) tasksJSON() any      { return nil }
