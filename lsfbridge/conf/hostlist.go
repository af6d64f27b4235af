package conf

import (
	"slices"
	"strings"
)

// hostGroup is a host group of lsb.hosts.
type hostGroup struct {
	at       place
	name     string
	members  []string // hosts and groups
	hosts    []string // members, with groups expanded
	expanded bool
}

// maxQueueHosts bounds the hosts that a queue, or a group, names.
const maxQueueHosts = 10_000

var hostGroupKeywords = map[string]keyword[hostGroup]{
	"GROUP_NAME":   func(_ *parser, v value, g *hostGroup) { g.name = v.text },
	"GROUP_MEMBER": func(_ *parser, v value, g *hostGroup) { g.members = strings.Fields(v.text) },
}

var otherHostGroupKeywords = words("CONDENSE GROUP_ADMIN GROUP_PREFERENCE")

// hostGroup takes a group of lsb.hosts over.
func (p *parser) hostGroup(e entry) {
	g := &hostGroup{at: e.at}
	take(p, e, hostGroupKeywords, otherHostGroupKeywords, g)
	switch {
	case !isHostName(g.name) || isAllHosts(g.name):
		p.refuse(e.at, "GROUP_NAME %s: want the name of a group", show(g.name))
		return
	case p.hostGroups[g.name] != nil:
		p.refuse(e.at, "GROUP_NAME %s: there is such a group in line %d already", show(g.name), p.hostGroups[g.name].at.line)
		return
	}
	for _, name := range g.members {
		if !isHostName(strings.TrimSuffix(name, "/")) || isAllHosts(name) {
			p.refuse(e.at, "GROUP_MEMBER of %s: %s: want names of hosts and groups; programs (!), patterns, all and ~ are not supported", show(g.name), show(name))
			return
		}
	}
	p.hostGroups[g.name] = g
}

// isHostName says whether a word can be a host, or a group of them.
func isHostName(name string) bool { return isUserName(name) && !strings.ContainsAny(name, ",+*[]@&") }

// isAllHosts says whether a word stands for all hosts, or all others.
func isAllHosts(name string) bool { return name == "all" || name == "others" }

// expandHosts is the hosts that a name stands for: those of a group, or itself.
func (p *parser) expandHosts(name string, at place, within []string) []string {
	bare, isGroup := strings.CutSuffix(name, "/")
	g := p.hostGroups[bare]
	switch {
	case g == nil && isGroup:
		p.refuse(at, "%s: no such group in %s", show(name), fileHosts)
		return nil
	case g == nil:
		return []string{name}
	case g.expanded:
		return g.hosts
	case slices.Contains(within, bare):
		p.refuse(g.at, "group %s contains itself", show(bare))
		return nil
	}
	within = append(within, bare)
	for _, member := range g.members {
		if g.hosts = append(g.hosts, p.expandHosts(member, g.at, within)...); len(g.hosts) > maxQueueHosts {
			p.refuse(g.at, "group %s: more than %d hosts", show(bare), maxQueueHosts)
			g.hosts = nil
			break
		}
	}
	g.expanded = true
	return g.hosts
}

// hostList reads a list as in HOSTS: all, others, or names, with ~ before those that are not meant. nil = all.
func (p *parser) hostList(v value) []string {
	some, without := map[string]bool{}, map[string]bool{}
	all, preferred := false, false
	for word := range strings.FieldsSeq(v.text) {
		bare, barred := strings.CutPrefix(word, "~")
		bare, level, graded := strings.Cut(bare, "+")
		if !isHostName(strings.TrimSuffix(bare, "/")) || strings.Trim(level, "0123456789") != "" || barred && (graded || isAllHosts(bare)) {
			p.refuse(v.at, "%s: %s: want all, others, or names of hosts and of groups in %s, with ~ before those that are not meant", v.key, show(word), fileHosts)
			return nil
		}
		preferred = preferred || graded
		if isAllHosts(bare) {
			all = true
			continue
		}
		to := some
		if barred {
			to = without
		}
		before := len(p.problems)
		for _, host := range p.expandHosts(bare, v.at, nil) {
			to[host] = true
		}
		if len(p.problems) > before {
			return nil
		}
	}
	if preferred {
		p.warn(v.at, "%s: preferences among hosts are not supported by Sluice, they have no effect", v.word)
	}
	switch {
	case len(some)+len(without) > maxQueueHosts:
		p.refuse(v.at, "%s: more than %d hosts", v.key, maxQueueHosts)
		return nil
	case all || len(some) == 0:
		return prefixed("~", without)
	}
	for host := range without {
		delete(some, host)
	}
	if len(some) == 0 {
		p.refuse(v.at, "%s = %s: no host is left", v.key, show(v.text))
	}
	return prefixed("", some)
}
