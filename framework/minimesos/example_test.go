package minimesos_test

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"sluice/framework/minimesos"
)

func ExampleStart() {
	cluster, err := minimesos.Start(context.Background(), minimesos.Config{
		Agents: []minimesos.AgentConfig{{CPUs: 4, MemMiB: 4096}, {CPUs: 2, Attributes: map[string]string{"rack": "r1"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cluster.Stop()
	res, err := http.Get(cluster.URL() + "/health")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	fmt.Println(res.StatusCode, len(body), err, len(cluster.Agents()))
	// Output: 200 0 <nil> 2
}
