package minimesos

import "fmt"

// wireText is an error whose text goes over the wire exactly as a real master words it, capital letters included.
type wireText string

func (t wireText) Error() string { return string(t) }

func wiref(format string, args ...any) error {
	return wireText(fmt.Sprintf(format, args...))
}
