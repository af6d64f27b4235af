package minimesos

import (
	"crypto/subtle"
	"maps"
	"net/http"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// SetCredentials changes what frameworks authenticate with, as a restart of the masters with another credentials file would.
// nil = no authentication. Streams that are open stay open.
func (c *Cluster) SetCredentials(secrets map[string]string) {
	copied := maps.Clone(secrets)
	c.conf.credentials.Store(&copied)
}

// authenticate gives the principal of a request to the scheduler API, "" where frameworks need not authenticate.
func (c *Config) authenticate(w http.ResponseWriter, r *http.Request) (string, error) {
	secrets := c.Credentials
	if c.credentials != nil {
		if changed := c.credentials.Load(); changed != nil {
			secrets = *changed
		}
	}
	if secrets == nil {
		return "", nil
	}
	principal, secret, ok := r.BasicAuth()
	want, known := secrets[principal]
	if !ok || !known || subtle.ConstantTimeCompare([]byte(secret), []byte(want)) != 1 {
		w.Header().Set("WWW-Authenticate", `Basic realm="mesos-master-scheduler"`)
		return "", &httpError{http.StatusUnauthorized, "401 Unauthorized."}
	}
	return principal, nil
}

// checkPrincipal refuses a FrameworkInfo of another principal than the one that has authenticated.
func checkPrincipal(principal string, info *mesos.FrameworkInfo) error {
	if principal == "" || info.Principal == nil || *info.Principal == principal {
		return nil
	}
	return badRequest("Authenticated principal '%s' does not match principal '%s' set in `FrameworkInfo`", principal, *info.Principal)
}
