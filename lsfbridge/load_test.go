package lsfbridge

import (
	"strings"
	"testing"
	"time"

	"sluice/queue"
)

// TestRecordedMachines prints the loads of recorded hosts from what their machines would tell.
func TestRecordedMachines(t *testing.T) {
	idle := queue.MachineLoad{Run15s: 0.2, Run1m: 0.1, Run15m: 0.1, CPU: 0.06, TmpMiB: 76000, MemMiB: 24000, Idle: -1}
	first := queue.MachineLoad{Run15s: 3.5, Run1m: 1.2, Run15m: 0.8, CPU: 0.14, TmpMiB: 76000, MemMiB: 24000, Idle: -1}
	second := queue.MachineLoad{Run15s: 4.2, Run1m: 1.4, Run15m: 0.8, CPU: 0.16, TmpMiB: 76000, MemMiB: 24000, Idle: -1}
	host := func(name string, m *queue.MachineLoad) queue.Host {
		return queue.Host{HostSpec: queue.HostSpec{Name: name, Slots: 8}, Status: queue.HostOK, Machine: m}
	}
	compared := 0
	for _, r := range recordings(t, "bhosts") {
		if r.ID != "0046_bhosts_l" {
			continue
		}
		compared++
		h := host("olmaster", &idle)
		text := string(PrintLongHosts([]HostLine{HostLineOf(&h)}))
		text = strings.Replace(text, "  1.00", "100.00", 1) // its CPU factor
		same(t, strings.TrimRight(text, "\n"), strings.TrimRight(r.Stdout, "\n"))
	}
	for _, r := range recordings(t, "lsload") {
		if r.ID != "0182_rich_lsload_w" {
			continue
		}
		compared++
		q := &LoadQuery{}
		lost := host("node2", &idle)
		lost.Status = queue.HostUnavailable
		hosts, err := q.Select([]queue.Host{host("compute-node-with-a-very-long-name-00003", &second), lost, host("olmaster", &first)})
		if err != nil {
			t.Fatal(err)
		}
		var lines []LoadLine
		for i := range hosts {
			lines = append(lines, LoadLineOf(&hosts[i]))
		}
		same(t, string(q.Print(lines)), r.Stdout)
	}
	if compared != 2 {
		t.Errorf("%d recordings were compared", compared)
	}
}

func TestLoadValues(t *testing.T) {
	got := loadValues(&queue.MachineLoad{
		Run15s: 1234.5, Run1m: 99.96, CPU: 1, Pages: 0.04, DiskKiB: 1234.5, TmpMiB: 10239, SwapMiB: 10240, MemMiB: 20 << 20, Logins: 3, Idle: 119 * time.Second,
	})
	for index, want := range map[string]string{
		"r15s": "1234", "r1m": "100.0", "r15m": "0.0", "ut": "100%", "pg": "0.0", "io": "1234", "ls": "3", "it": "1", "tmp": "10239M", "swp": "10G", "mem": "20T",
	} {
		if got[index] != want {
			t.Errorf("%s is %q, want %q", index, got[index], want)
		}
	}
	for index, value := range loadValues(nil) {
		if value != "-" {
			t.Errorf("%s of a machine that does not tell is %q", index, value)
		}
	}
}
