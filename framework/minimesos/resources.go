package minimesos

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

const unreserved = "*"

// resourceKey tells apart what cannot replace each other.
type resourceKey struct {
	name    string
	role    string // reservation, or unreserved
	alloc   string // role it is allocated to; empty inside the allocator
	special string // revocable, shared, a disk: nothing here has any, so they never match
}

// span is a closed interval of a ranges resource.
type span struct{ begin, end uint64 }

// resource is a quantity of one key. Scalars are in thousandths, the precision of Mesos.
type resource struct {
	resourceKey
	kind  mesos.Value_Type
	milli int64
	spans []span   // sorted, disjoint, not adjacent
	items []string // sorted, unique
}

// bundle is a set of resources, one per key, in the order in which they were first added. Bundles are values: the
// operations return new ones.
type bundle []resource

func (r resource) empty() bool {
	switch r.kind {
	case mesos.RANGES:
		return len(r.spans) == 0
	case mesos.SET:
		return len(r.items) == 0
	}
	return r.milli <= 0
}

func (b bundle) find(key resourceKey) int {
	return slices.IndexFunc(b, func(r resource) bool { return r.resourceKey == key })
}

func (b bundle) plus(o bundle) bundle {
	sum := slices.Clone(b)
	for _, r := range o {
		if i := sum.find(r.resourceKey); i >= 0 {
			sum[i] = sum[i].plus(r)
		} else if !r.empty() {
			sum = append(sum, r)
		}
	}
	return sum
}

// minus takes o away from b, which must contain it.
func (b bundle) minus(o bundle) bundle {
	rest := slices.Clone(b)
	for _, r := range o {
		if i := rest.find(r.resourceKey); i >= 0 {
			rest[i] = rest[i].minus(r)
		}
	}
	return slices.DeleteFunc(rest, resource.empty)
}

func (b bundle) contains(o bundle) bool {
	for _, r := range o {
		if r.empty() {
			continue
		}
		i := b.find(r.resourceKey)
		if i < 0 || !b[i].contains(r) {
			return false
		}
	}
	return true
}

func (b bundle) empty() bool {
	return !slices.ContainsFunc(b, func(r resource) bool { return !r.empty() })
}

// scalar returns the thousandths of all resources of that name.
func (b bundle) scalar(name string) int64 {
	var sum int64
	for _, r := range b {
		if r.name == name {
			sum += r.milli
		}
	}
	return sum
}

// usableBy returns the part that is not reserved for other roles: reservations serve a role and its children.
func (b bundle) usableBy(role string) bundle {
	var part bundle
	for _, r := range b {
		if r.role == unreserved || r.role == role || strings.HasPrefix(role, r.role+"/") {
			part = append(part, r)
		}
	}
	return part
}

// allocatedTo returns b with every resource allocated to the role.
func (b bundle) allocatedTo(role string) bundle {
	out := slices.Clone(b)
	for i := range out {
		out[i].alloc = role
	}
	return out
}

func (r resource) plus(o resource) resource {
	r.milli += o.milli
	r.spans = mergeSpans(append(slices.Clone(r.spans), o.spans...))
	r.items = mergeItems(append(slices.Clone(r.items), o.items...))
	return r
}

func (r resource) minus(o resource) resource {
	r.milli -= o.milli
	for _, s := range o.spans {
		r.spans = cutSpan(r.spans, s)
	}
	r.items = slices.DeleteFunc(slices.Clone(r.items), func(i string) bool { return slices.Contains(o.items, i) })
	return r
}

func (r resource) contains(o resource) bool {
	if r.kind != o.kind || r.milli < o.milli {
		return false
	}
	for _, s := range o.spans {
		in := func(t span) bool { return t.begin <= s.begin && s.end <= t.end }
		if !slices.ContainsFunc(r.spans, in) {
			return false
		}
	}
	for _, i := range o.items {
		if !slices.Contains(r.items, i) {
			return false
		}
	}
	return true
}

func mergeItems(items []string) []string {
	slices.Sort(items)
	return slices.Compact(items)
}

func mergeSpans(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.begin, b.begin) })
	var out []span
	for _, s := range spans {
		if n := len(out); n > 0 && (s.begin <= out[n-1].end || s.begin == out[n-1].end+1) {
			out[n-1].end = max(out[n-1].end, s.end)
			continue
		}
		out = append(out, s)
	}
	return out
}

func cutSpan(spans []span, cut span) []span {
	var out []span
	for _, s := range spans {
		if cut.end < s.begin || s.end < cut.begin {
			out = append(out, s)
			continue
		}
		if s.begin < cut.begin {
			out = append(out, span{s.begin, cut.begin - 1})
		}
		if cut.end < s.end {
			out = append(out, span{cut.end + 1, s.end})
		}
	}
	return out
}

func scalarResource(name string, value float64) resource {
	return resource{
		resourceKey: resourceKey{name: name, role: unreserved}, kind: mesos.SCALAR,
		milli: int64(math.Round(value * 1000)),
	}
}

// bundleOf reads resources as a framework or a configuration gives them. Those without an allocation get the role
// alloc.
func bundleOf(resources []mesos.Resource, alloc string) bundle {
	var b bundle
	for i := range resources {
		r := &resources[i]
		c := scalarResource(r.Name, r.GetScalar().GetValue())
		c.kind, c.alloc = r.GetType(), alloc
		if r.AllocationInfo != nil {
			c.alloc = r.AllocationInfo.GetRole()
		}
		c.role, c.special = reservationOf(r)
		for _, s := range r.GetRanges().GetRange() {
			c.spans = append(c.spans, span{s.Begin, s.End})
		}
		c.spans = mergeSpans(c.spans)
		c.items = mergeItems(slices.Clone(r.GetSet().GetItem()))
		b = b.plus(bundle{c})
	}
	return b
}

func reservationOf(r *mesos.Resource) (role, special string) {
	role = unreserved
	if r.Role != nil {
		role = *r.Role
	}
	if n := len(r.Reservations); n > 0 {
		role = r.Reservations[n-1].GetRole()
		if r.Reservations[n-1].GetType() == mesos.Resource_ReservationInfo_DYNAMIC {
			special += "{DYNAMIC}"
		}
	}
	if r.Reservation != nil {
		special += "{DYNAMIC}"
	}
	if r.Disk != nil {
		special += "[DISK]"
	}
	if r.Revocable != nil {
		special += revocable
	}
	if r.Shared != nil {
		special += "<SHARED>"
	}
	return role, special
}

// protos returns the resources as messages, in the form for a framework with or without RESERVATION_REFINEMENT. The
// allocation is printed for MULTI_ROLE frameworks only.
func (b bundle) protos(refined bool, allocation string) []mesos.Resource {
	out := make([]mesos.Resource, 0, len(b))
	for _, r := range b {
		kind := r.kind
		p := mesos.Resource{Name: r.name, Type: &kind}
		switch r.kind {
		case mesos.RANGES:
			p.Ranges = &mesos.Value_Ranges{}
			for _, s := range r.spans {
				p.Ranges.Range = append(p.Ranges.Range, mesos.Value_Range{Begin: s.begin, End: s.end})
			}
		case mesos.SET:
			p.Set = &mesos.Value_Set{Item: slices.Clone(r.items)}
		default:
			p.Scalar = &mesos.Value_Scalar{Value: float64(r.milli) / 1000}
		}
		role := r.role
		if !refined {
			p.Role = &role
		} else if role != unreserved {
			static := mesos.Resource_ReservationInfo_STATIC
			p.Reservations = []mesos.Resource_ReservationInfo{{Type: &static, Role: &role}}
		}
		if r.special == revocable {
			p.Revocable = &mesos.Resource_RevocableInfo{}
		}
		if allocation != "" {
			p.AllocationInfo = &mesos.Resource_AllocationInfo{Role: &allocation}
		}
		out = append(out, p)
	}
	return out
}

// String prints the bundle as a real master does in its messages.
func (b bundle) String() string {
	if len(b) == 0 {
		return "{}"
	}
	parts := make([]string, len(b))
	for i, r := range b {
		parts[i] = r.String()
	}
	return strings.Join(parts, "; ")
}

func (r resource) String() string {
	text := r.name
	if r.alloc != "" {
		text += "(allocated: " + r.alloc + ")"
	}
	if r.role != unreserved {
		text += "(reservations: [(STATIC," + r.role + ")])"
	}
	return text + r.special + ":" + r.quantity()
}

func (r resource) quantity() string {
	switch r.kind {
	case mesos.RANGES:
		parts := make([]string, len(r.spans))
		for i, s := range r.spans {
			parts[i] = strconv.FormatUint(s.begin, 10) + "-" + strconv.FormatUint(s.end, 10)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case mesos.SET:
		return "{" + strings.Join(r.items, ", ") + "}"
	}
	return strconv.FormatFloat(float64(r.milli)/1000, 'f', -1, 64)
}
