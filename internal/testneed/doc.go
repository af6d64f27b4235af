// Package testneed says which programs of the machine a test needs.
//
// A test that needs a program which is not there is skipped on a developer's machine and fails in CI (CI=true): what
// CI does not run is not tested. It is the only place that skips a test; internal/archtest sees to that.
package testneed
