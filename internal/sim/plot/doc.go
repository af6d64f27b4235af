// Package plot draws what a control loop did: the ratio, the slots and the jobs over time, and policies against each other. It
// writes SVG or PNG into a writer; it neither simulates nor knows files.
package plot
