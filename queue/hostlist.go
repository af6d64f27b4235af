package queue

import "strings"

// hostLists are the lists of a Need.Hosts, prepared for a quick look; empty = any host.
type hostLists []hostList

type hostList struct {
	named  map[string]bool // nil = all
	barred map[string]bool
}

// HostsAllow reports whether lists as in Need.Hosts allow a host with some names, its own and that of its machine; empty names do not
// count.
func HostsAllow(lists string, names ...string) bool {
	for list := range strings.FieldsSeq(lists) {
		picks, picked := false, false
		for name := range strings.SplitSeq(list, ",") {
			bare, bars := strings.CutPrefix(name, "~")
			hit := isOneOf(bare, names)
			if bars && hit {
				return false
			}
			picks = picks || !bars
			picked = picked || !bars && hit
		}
		if picks && !picked {
			return false
		}
	}
	return true
}

// isOneOf reports whether a name is one of some names, with or without domain.
func isOneOf(name string, names []string) bool {
	for _, other := range names {
		if other != "" && bareHost(other) == bareHost(name) {
			return true
		}
	}
	return false
}

func parseHostLists(text string) hostLists {
	var lists hostLists
	for list := range strings.FieldsSeq(text) {
		var l hostList
		for name := range strings.SplitSeq(list, ",") {
			set := &l.named
			if bare, bars := strings.CutPrefix(name, "~"); bars {
				name, set = bare, &l.barred
			}
			if *set == nil {
				*set = map[string]bool{}
			}
			(*set)[bareHost(name)] = true
		}
		lists = append(lists, l)
	}
	return lists
}

// admits reports whether each of the lists allows a host of such names.
func (lists hostLists) admits(names *bareNames) bool {
	for i := range lists {
		if !lists[i].admits(names) {
			return false
		}
	}
	return true
}

func (l *hostList) admits(names *bareNames) bool {
	picked := l.named == nil
	for _, name := range names {
		if name == "" {
			continue
		}
		if l.barred != nil && l.barred[name] {
			return false
		}
		picked = picked || l.named[name]
	}
	return picked
}

// bareNames are the names by which lists know a host, without domains: its own and that of its machine.
type bareNames [2]string

func bareNamesOf(s *HostSpec) bareNames { return bareNames{bareHost(s.Name), bareHost(s.Location)} }

// bareHost is a host's name without its domain: names match with or without. Addresses have none.
func bareHost(name string) string {
	head, _, _ := strings.Cut(name, ".")
	if strings.Trim(head, "0123456789") == "" {
		return name
	}
	return head
}

// bothHosts are lists that allow what two do.
func bothHosts(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + " " + b
}
