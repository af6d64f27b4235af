package conf

import (
	"maps"
	"slices"
	"strings"
)

// Sections of LSF that have no effect, mostly because hosts bring what they are with them.
var (
	hostSections    = words("hostpartition computeunit")
	sharedSections  = words("hosttype hostmodel resource")
	clusterSections = words("parameters host resourcemap hosttypes")
)

// hosts reads lsb.hosts: groups of hosts, and the most slots that a host may have. Hosts come and go, so a row of one host has no effect.
func (p *parser) hosts() {
	sections, _ := p.sections(fileHosts)
	for _, s := range sections {
		switch strings.ToLower(s.name) {
		case "hostgroup":
			for _, e := range s.entries {
				p.hostGroup(e)
			}
			continue
		case "host":
		default:
			p.otherSection(s, hostSections)
			continue
		}
		for _, e := range s.entries {
			var row hostRow
			take(p, e, hostKeywords, otherHostKeywords, &row)
			switch {
			case row.name == "default":
				p.config.MaxHostSlots = row.slots
			case row.name != "":
				p.warn(e.at, "host %s: hosts come and go, only the row default has an effect", show(row.name))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.hostGroups)) {
		p.expandHosts(name, p.hostGroups[name].at, nil)
	}
}

// hostRow is a row of a Host section.
type hostRow struct {
	name  string
	slots int // 0 = as many as there are CPUs
}

var hostKeywords = map[string]keyword[hostRow]{
	"HOST_NAME": func(_ *parser, v value, h *hostRow) { h.name = v.text },
	"MXJ": func(p *parser, v value, h *hostRow) {
		if v.text != "!" {
			h.slots, _ = p.integer(v, 1, maxJobSlots)
		}
	},
}

var otherHostKeywords = words("JL/U DISPATCH_WINDOW EXIT_RATE CHKPNT MIG AFFINITY R15S R1M R15M UT PG IO LS IT TMP SWP MEM")

// otherSection warns of a section that has no effect.
func (p *parser) otherSection(s section, known map[string]bool) {
	if known[strings.ToLower(s.name)] {
		p.warn(s.at, "section %s: not supported by Sluice, it has no effect", s.name)
		return
	}
	p.warn(s.at, "section %s: unknown, it has no effect", s.name)
}

// shared reads lsf.shared and lsf.cluster.NAME: what the cluster is called and who administers it.
func (p *parser) shared() {
	var names []string
	sections, _ := p.sections(fileShared)
	for _, s := range sections {
		if !strings.EqualFold(s.name, "Cluster") {
			p.otherSection(s, sharedSections)
			continue
		}
		for _, e := range s.entries {
			var name string
			take(p, e, map[string]keyword[string]{"CLUSTERNAME": clusterName}, words("SERVERS"), &name)
			if name != "" {
				names = append(names, name)
			}
		}
	}
	var files []string
	for _, file := range slices.Sorted(maps.Keys(p.source.Files)) {
		if name, ok := strings.CutPrefix(file, fileCluster); ok && (len(names) == 0 || slices.Contains(names, name)) {
			files = append(files, file)
		} else if ok {
			p.warn(place{file: file}, "of a cluster that %s does not name, it has no effect", fileShared)
		}
	}
	switch {
	case len(files) > 1:
		p.refuse(place{file: files[1]}, "there is %s, too: one Sluice is one cluster", files[0])
	case len(files) == 1:
		p.cluster(files[0])
	case len(names) == 1:
		p.config.Cluster = names[0]
	case len(names) > 1:
		p.refuse(place{file: fileShared}, "%d clusters, and no file %sNAME that says which one this is", len(names), fileCluster)
	}
}

func clusterName(p *parser, v value, to *string) {
	if !isUserName(v.text) {
		p.refuse(v.at, "ClusterName %s: want a word", show(v.text))
		return
	}
	*to = v.text
}

// cluster reads lsf.cluster.NAME.
func (p *parser) cluster(file string) {
	clusterName(p, value{text: strings.TrimPrefix(file, fileCluster), at: place{file: file}}, &p.config.Cluster)
	sections, _ := p.sections(file)
	for _, s := range sections {
		if !strings.EqualFold(s.name, "ClusterAdmins") {
			p.otherSection(s, clusterSections)
			continue
		}
		for _, e := range s.entries {
			take(p, e, map[string]keyword[Config]{"ADMINISTRATORS": administrators}, nil, &p.config)
		}
	}
}

func administrators(p *parser, v value, c *Config) {
	for name := range strings.FieldsSeq(v.text) {
		bare := strings.TrimSuffix(name, "/")
		if !isUserName(bare) || bare == "all" {
			p.refuse(v.at, "Administrators: %s is no user", show(name))
			continue
		}
		users := []string{name}
		if bare != name {
			users, _ = p.expand(name, v.at, nil)
		}
		for _, user := range users {
			if !slices.Contains(c.Admins, user) {
				c.Admins = append(c.Admins, user)
			}
		}
	}
}
