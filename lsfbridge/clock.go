package lsfbridge

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxRunLimit is the longest run limit, ten years.
const maxRunLimit = 10 * 365 * 24 * time.Hour

// parseTimeSpec reads LSF's [[[year:]month:]day:]hour:minute as the next such time after now, in now's location.
func parseTimeSpec(text string, now time.Time) (time.Time, error) {
	bad := Refusal(printable(text) + ": Bad time specification")
	fields := strings.Split(text, ":")
	if len(fields) < 2 || len(fields) > 5 {
		return time.Time{}, bad
	}
	numbers := [5]int{now.Year(), int(now.Month()), now.Day(), 0, 0}
	for i, field := range fields {
		n, err := strconv.ParseUint(field, 10, 16)
		if err != nil || len(field) > 4 {
			return time.Time{}, bad
		}
		numbers[5-len(fields)+i] = int(n)
	}
	year, month, day, hour, minute := numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
	if month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 {
		return time.Time{}, bad
	}
	// A time of day that has passed is meant of the next day, a day of the next month, a month of the next year.
	for try := range 48 {
		t := time.Date(year, time.Month(month), day, hour, minute, 0, 0, now.Location())
		switch len(fields) {
		case 2:
			t = time.Date(year, time.Month(month), day+try, hour, minute, 0, 0, now.Location())
		case 3:
			t = time.Date(year, time.Month(month+try), day, hour, minute, 0, 0, now.Location())
		case 4:
			t = time.Date(year+try, time.Month(month), day, hour, minute, 0, 0, now.Location())
		}
		if len(fields) > 2 && t.Day() != day {
			if len(fields) == 5 {
				return time.Time{}, bad
			}
			continue // that month has no such day
		}
		if t.After(now) {
			return t, nil
		}
		if len(fields) == 5 {
			break
		}
	}
	return time.Time{}, bad
}

// parseHoursMinutes reads bsub's -W and -c: [hours:]minutes[/host]. Zero means the queue's limit. Times are not normalised by a
// host's speed, so the host says nothing.
func parseHoursMinutes(text, name string) (time.Duration, error) {
	bad := Refusal(printable(text) + ": Bad " + name + " specification")
	limit, _, _ := strings.Cut(text, "/")
	hours, minutes, hasHours := strings.Cut(limit, ":")
	if !hasHours {
		hours, minutes = "0", limit
	}
	h, err := strconv.ParseUint(hours, 10, 24)
	if err != nil {
		return 0, bad
	}
	m, err := strconv.ParseUint(minutes, 10, 24)
	if err != nil {
		return 0, bad
	}
	d := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
	if d > maxRunLimit {
		return 0, bad
	}
	return d, nil
}

// The forms of time in LSF's output. None but longTime with its year is unique, see nearTime.
const (
	tableTime = "Jan _2 15:04"             // columns
	longTime  = "Mon Jan _2 15:04:05"      // -l
	fullTime  = "Mon Jan _2 15:04:05 2006" // messages of bsub
)

// nearTime parses a time of a form without a year: the newest one that is not more than a day after now.
func nearTime(form, text string, now time.Time) (time.Time, error) {
	for back := range 9 {
		year := now.Year() + 1 - back
		t, err := time.ParseInLocation(form+" 2006", text+" "+strconv.Itoa(year), now.Location())
		if err == nil && !t.After(now.AddDate(0, 0, 1)) && t.Format(form) == text {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("parse time %q: want the form %q", text, form)
}
