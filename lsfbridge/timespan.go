package lsfbridge

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/queue/history"
)

// parseSpan reads the argument of bhist's and bacct's -C, -D and -S: "time0,time1", ",time1", "time0," or one time, which
// means the day, hour or minute that it names. A time is [[year/]month/]day[/[hour[:minute]]], hour:minute, or "." for now, or
// ".-n/" for n days ago, in now's location.
func parseSpan(text string, now time.Time) (span history.Span, err error) {
	from, to, isPair := strings.Cut(text, ",")
	if !isPair {
		to = from
	}
	if from != "" || !isPair {
		if span.From, _, err = parseMoment(from, now); err != nil {
			return span, err
		}
	}
	if to != "" || !isPair {
		if _, span.To, err = parseMoment(to, now); err != nil {
			return span, err
		}
	}
	if from == "" && to == "" || !span.To.IsZero() && span.To.Before(span.From) {
		return span, badSpan(text)
	}
	return span, nil
}

func badSpan(text string) error { return Refusal(printable(text) + ": Bad time form") }

// parseMoment reads a time; it begins at first and is over after last.
func parseMoment(text string, now time.Time) (first, last time.Time, err error) {
	if text == "." {
		return now, now, nil
	}
	if days, ok := strings.CutPrefix(text, ".-"); ok {
		n, err := strconv.ParseUint(strings.TrimSuffix(days, "/"), 10, 16)
		if err != nil {
			return first, last, badSpan(text)
		}
		at := now.AddDate(0, 0, -int(n))
		return at, at, nil
	}
	date, clock, hasClock := "", text, true
	if at := strings.LastIndexByte(text, '/'); at >= 0 {
		date, clock = text[:at], text[at+1:]
		hasClock = clock != ""
	}
	if !strings.Contains(text, ":") && hasClock { // a date without a slash at its end
		date, hasClock = text, false
	}
	year, month, day, ok := parseDate(date, now)
	hour, minute, length := 0, 0, 24*time.Hour
	if hasClock && ok {
		hour, minute, length, ok = parseClock(clock)
	}
	first = time.Date(year, month, day, hour, minute, 0, 0, now.Location())
	if !ok || first.Day() != day || first.Month() != month {
		return first, last, badSpan(text)
	}
	last = first.Add(length)
	if !hasClock {
		last = time.Date(year, month, day+1, 0, 0, 0, 0, now.Location()) // a day need not have 24 hours
	}
	return first, last.Add(-time.Nanosecond), nil
}

// parseDate reads [[year/]month/]day; what is missing is today's.
func parseDate(text string, now time.Time) (year int, month time.Month, day int, ok bool) {
	year, month, day = now.Date()
	if text == "" {
		return year, month, day, true
	}
	fields := strings.Split(text, "/")
	if len(fields) > 3 {
		return year, month, day, false
	}
	slices.Reverse(fields)
	values := []int{day, int(month), year}
	for i, field := range fields {
		n, err := strconv.ParseUint(field, 10, 16)
		if err != nil {
			return year, month, day, false
		}
		values[i] = int(n)
	}
	year, month, day = values[2], time.Month(values[1]), values[0]
	return year, month, day, year >= 1970 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= 31
}

// parseClock reads hour:minute or hour: and says how long what it names lasts.
func parseClock(text string) (hour, minute int, length time.Duration, ok bool) {
	hours, minutes, _ := strings.Cut(text, ":")
	h, err := strconv.ParseUint(hours, 10, 8)
	if err != nil || h > 23 {
		return 0, 0, 0, false
	}
	if minutes == "" {
		return int(h), 0, time.Hour, true
	}
	m, err := strconv.ParseUint(minutes, 10, 8)
	return int(h), int(m), time.Minute, err == nil && m <= 59
}
