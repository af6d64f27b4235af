package minimesos

import "flag"

// go test passes -master to the tests of all packages below framework; it is for those of package conformance.
var _ = flag.String("master", "", "URL of the master that package conformance tests")
