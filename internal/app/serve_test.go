package app

import (
	"strings"
	"testing"
)

func TestWhereInstancesAreElected(t *testing.T) {
	for _, test := range []struct{ master, name, election, want string }{
		{"http://m1:5050", "sluice", "", ""},
		{"zk://z1,z2:2182/mesos", "sluice", "", "zk://z1:2181,z2:2182/sluice/sluice"},
		{"zk://u:p@z1/mesos", "team a/b", "", "zk://u@z1:2181/sluice/team%20a%2Fb"},
		{"zk://z1/mesos", "sluice", "none", ""},
		{"zk://z1/mesos", "sluice", "zk://other/batch/sluice", "zk://other:2181/batch/sluice"},
		{"http://m1:5050", "sluice", "zk://z1/locks/sluice", "zk://z1:2181/locks/sluice"},
		{"http://m1:5050", "sluice", "yes", "error"},
		{"zk://z1", "sluice", "", "error"},
	} {
		c := DefaultConfig()
		c.Framework.Master, c.Framework.Name, c.Election = test.master, test.name, test.election
		address, elects, err := c.election()
		got := ""
		switch {
		case err != nil:
			got = "error"
		case elects:
			got = address.String()
		}
		if got != test.want {
			t.Errorf("%+v: %s, %v", test, got, err)
		}
	}
}

// The address that hosts reach us at is the one towards the masters, or towards the ZooKeeper that knows them.
func TestAddressTowards(t *testing.T) {
	for master, want := range map[string]string{
		"http://127.0.0.1:5050,http://192.0.2.1:5050": "127.0.0.1",
		"127.0.0.1:5050":                    "127.0.0.1",
		"zk://u:p@127.0.0.1:2181,z2/mesos":  "127.0.0.1",
		"zk://[::1]:2181/mesos":             "::1",
		"zk://u:secret@127.0.0.1:2181":      "error",
		"ftp:///":                           "error",
		"file:///no/such/file/of/zookeeper": "error",
	} {
		got, err := addressTowards(master)
		if err != nil {
			got = "error"
		}
		if got != want && !(want == "::1" && got == "error") { // a machine may have no IPv6
			t.Errorf("%s: %s, %v", master, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", master, err)
		}
	}
}
