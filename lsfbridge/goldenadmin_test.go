package lsfbridge

import (
	"strings"
	"testing"

	"sluice/queue"
)

func TestRecordedUsers(t *testing.T) {
	compared := 0
	for _, r := range recordings(t, "busers") {
		if !strings.HasPrefix(r.Stdout, userHeader) {
			continue
		}
		compared++
		lines, err := ParseUsers(r.Stdout)
		if err != nil {
			t.Fatal(r.ID, err)
		}
		same(t, string(PrintUsers(lines)), r.Stdout)
	}
	if compared < 8 {
		t.Errorf("only %d tables were compared", compared)
	}
}

func TestRecordedParams(t *testing.T) {
	compared := 0
	for _, r := range recordings(t, "bparams") {
		compared++
		switch {
		case r.has("-l"):
			params, err := ParseParams(r.Stdout)
			if err != nil {
				t.Fatal(r.ID, err)
			}
			same(t, PrintParams(params), r.Stdout)
		case strings.HasPrefix(r.Stdout, "Default"):
			summary, err := ParseSummary(r.Stdout)
			if err != nil {
				t.Fatal(r.ID, err)
			}
			same(t, PrintSummary(summary), r.Stdout)
		}
	}
	if compared < 4 {
		t.Errorf("only %d were compared", compared)
	}
}

func TestRecordedStaticHosts(t *testing.T) {
	compared := 0
	for _, r := range recordings(t, "lshosts") {
		switch {
		case strings.HasPrefix(r.Stdout, "HOST_NAME"):
			lines, err := ParseStatic(r.Stdout)
			if err != nil {
				t.Fatal(r.ID, err)
			}
			same(t, string(PrintStatic(lines, r.has("-w"))), r.Stdout)
			compared++
		case r.ID == "0037_lshosts_l":
			line := StaticLine{
				Name: "olmaster", Type: "linux", Model: "IntelI5", Factor: 100, CPUs: "2", MaxMem: "24105M", MaxSwp: "0M",
				Server: "Yes", Resources: []string{"fs", "cs"},
			}
			// Disks and the size of /tmp are not known here.
			want := strings.NewReplacer("2      0 24105M", "2      - 24105M", " 258019M", "      -").Replace(r.Stdout)
			same(t, string(PrintLongStatic([]StaticLine{line})), want)
			compared++
		}
	}
	if compared < 10 {
		t.Errorf("only %d were compared", compared)
	}
}

func TestRecordedLoads(t *testing.T) {
	compared := 0
	for _, r := range recordings(t, "lsload") {
		if !strings.HasPrefix(r.Stdout, "HOST_NAME") || strings.Contains(r.Stdout, "dynload") {
			continue // an index of a site's own
		}
		compared++
		lines, err := ParseLoad(r.Stdout)
		if err != nil {
			t.Fatal(r.ID, err)
		}
		var args []string
		for word := range strings.FieldsSeq(r.Command) {
			if word != "lsload" && !strings.HasPrefix(word, "-R") && !strings.HasPrefix(word, "\"") {
				args = append(args, word)
			}
		}
		q, err := ParseLoadQuery(args)
		if err != nil {
			t.Fatal(r.ID, err)
		}
		same(t, string(q.Print(lines)), r.Stdout)
	}
	if compared < 10 {
		t.Errorf("only %d tables were compared", compared)
	}
}

// outcomes of recorded orders: what the daemon would have answered.
var recordedRefusals = map[string]*queue.Error{
	"No matching job found":                          {Kind: queue.KindNotFound, Code: queue.NoSuchJob},
	"Job has already finished":                       {Kind: queue.KindConflict, Code: queue.AlreadyFinished},
	"Job has already started":                        {Kind: queue.KindConflict, Code: queue.WrongState},
	"Job has not started yet":                        {Kind: queue.KindConflict, Code: queue.WrongState},
	"User permission denied":                         {Kind: queue.KindDenied, Code: queue.NotYours},
	"No such queue":                                  {Kind: queue.KindNotFound, Code: queue.NoSuchQueue},
	"Bad host name, host group name or cluster name": {Kind: queue.KindNotFound, Code: queue.NoSuchHost},
}

func recordedRefusal(t *testing.T, text string) error {
	t.Helper()
	for known, err := range recordedRefusals {
		if strings.Contains(text, known) {
			return err
		}
	}
	t.Fatalf("no refusal for %q", text)
	return nil
}

func words(r recording) []string {
	var args []string
	for i, part := range strings.Split(r.Command, `"`) {
		if i%2 == 1 { // between quotes
			args = append(args, part)
			continue
		}
		args = append(args, strings.Fields(part)...)
	}
	return args[1:]
}

func TestRecordedReorders(t *testing.T) {
	compared := 0
	for _, command := range []string{"btop", "bbot"} {
		for _, r := range recordings(t, command) {
			order, err := ParseReorder(command, words(r))
			if usage, ok := err.(*UsageError); ok { //nolint:errorlint // as it is made
				text := Usage(command)
				if usage.Text != "" {
					text = usage.Text + "\n" + text
				}
				same(t, text, r.Stderr)
				continue
			}
			if err != nil {
				t.Fatal(r.ID, err)
			}
			compared++
			if r.Exit == 0 {
				same(t, order.Done(order.Position)+"\n", r.Stderr)
			} else {
				same(t, order.Refused(recordedRefusal(t, r.Stderr))+"\n", r.Stderr)
			}
		}
	}
	if compared < 6 {
		t.Errorf("only %d were compared", compared)
	}
}

func TestRecordedOrders(t *testing.T) {
	compared := 0
	for _, command := range []string{"brequeue", "bswitch"} {
		for _, r := range recordings(t, command) {
			if r.Command == command || r.has("-h", "0") {
				continue
			}
			order, err := ParseJobOrder(command, words(r))
			if err != nil {
				t.Fatal(r.ID, err)
			}
			compared++
			id := order.Selectors[0].ID()
			if r.Exit == 0 {
				same(t, order.Done(id)+"\n", r.Stdout)
			} else {
				line, _ := order.Refused(id, recordedRefusal(t, r.Stderr))
				same(t, line+"\n", r.Stderr)
			}
		}
	}
	if compared < 10 {
		t.Errorf("only %d were compared", compared)
	}
}

func TestRecordedAdministration(t *testing.T) {
	compared := 0
	for _, r := range recordings(t, "badmin") {
		order, err := ParseAdminOrder(words(r))
		if err != nil || order.All || len(order.Names) == 0 || !order.OfHosts() && !order.OfQueues() {
			continue
		}
		compared++
		var out, errs strings.Builder
		for _, name := range order.Names {
			_, remains, _ := strings.Cut(r.Stderr, "due to ")
			remains, _, _ = strings.Cut(remains, ";")
			switch {
			case r.Exit != 0:
				errs.WriteString(order.Refused(name, recordedRefusal(t, r.Stderr)) + "\n")
			case order.OfHosts():
				errs.WriteString(order.Done(name, remains) + "\n")
			default:
				out.WriteString(order.Done(name, "") + "\n")
			}
		}
		t.Run(r.ID, func(t *testing.T) {
			same(t, out.String(), r.Stdout)
			same(t, errs.String(), r.Stderr)
		})
	}
	if compared < 15 {
		t.Errorf("only %d were compared", compared)
	}
}

func TestAdminHelp(t *testing.T) {
	for _, r := range recordings(t, "badmin") {
		order, err := ParseAdminOrder(words(r))
		if err != nil || order.Command != "help" || len(order.Names) == 0 {
			continue
		}
		order.Names = []string{"hclose", "hopen", "qclose", "qopen", "qact", "qinact"}
		if help := order.Help(); !strings.HasPrefix(r.Stderr, help) {
			t.Errorf("help is\n%s\nnot the recorded\n%s", help, r.Stderr)
		}
		return
	}
	t.Error("no recording of badmin help")
}
