package mail

import (
	"cmp"
	"strconv"
	"strings"
	"time"
)

// location is the zone of a TZID: one that Go knows by its name, or by the one that Windows has for it, or as the calendar
// itself explains it; else UTC.
func (c *calendar) location(id string) *time.Location {
	id = strings.TrimSpace(id)
	if id == "" {
		return time.UTC // a floating time: nobody says where
	}
	z, ok := c.zones[id]
	if !ok && len(c.zones) < maxZones && len(id) <= 200 {
		z = named(id)
		c.zones[id] = z
	}
	return cmp.Or(z, time.UTC)
}

// named is the zone that Go knows by a name; UTC if there is none.
func named(id string) *time.Location {
	parts := strings.Split(strings.Trim(cmp.Or(windowsZones[id], id), "/"), "/")
	// Some write /example.org/20260101/Europe/Paris; no zone has more than three parts.
	for i := max(0, len(parts)-3); i < len(parts); i++ {
		name := strings.Join(parts[i:], "/")
		if name == "" || strings.EqualFold(name, "local") || strings.Contains(name, "..") {
			break
		}
		if z, err := time.LoadLocation(name); err == nil {
			return z
		}
	}
	return time.UTC
}

// zone learns a VTIMEZONE whose name says nothing to us: if its summer time begins on the day on which it does in Europe, in
// North America or in the south, it is that of a place there, else one of its standard offset all year.
func (c *calendar) zone(v component) {
	id := strings.TrimSpace(v.one("TZID").value)
	if id == "" || len(id) > 200 || c.location(id) != time.UTC || len(c.zones) == maxZones {
		return
	}
	standard, ok := utcOffset(v.one("STANDARD.TZOFFSETTO").value)
	summer, ok2 := utcOffset(v.one("DAYLIGHT.TZOFFSETTO").value)
	if !ok && !ok2 {
		return
	}
	if !ok {
		standard = summer
	}
	rule, sunday := strings.ToUpper(v.one("DAYLIGHT.RRULE").value), ""
	for p := range strings.SplitSeq(rule, ";") {
		if day, found := strings.CutPrefix(p, "BYDAY="); found {
			sunday = day
		}
	}
	if place := summerZones[summerRule{standard, summer, sunday}]; ok && ok2 && place != "" {
		c.zones[id] = named(place)
		return
	}
	c.zones[id] = time.FixedZone(clean(id, 60), standard)
}

// summerRule is a zone with summer time: its offsets in seconds, and which Sunday of its month summer time begins on.
type summerRule struct {
	standard, summer int
	sunday           string
}

const hour = 3600

// summerZones are places for the rules that are in use.
var summerZones = map[summerRule]string{
	{0, hour, "-1SU"}: "Europe/London", {hour, 2 * hour, "-1SU"}: "Europe/Berlin", {2 * hour, 3 * hour, "-1SU"}: "Europe/Kiev", {-hour, 0, "-1SU"}: "Atlantic/Azores",
	{-3*hour - hour/2, -2*hour - hour/2, "2SU"}: "America/St_Johns", {-4 * hour, -3 * hour, "2SU"}: "America/Halifax", {-5 * hour, -4 * hour, "2SU"}: "America/New_York",
	{-6 * hour, -5 * hour, "2SU"}: "America/Chicago", {-7 * hour, -6 * hour, "2SU"}: "America/Denver", {-8 * hour, -7 * hour, "2SU"}: "America/Los_Angeles",
	{-9 * hour, -8 * hour, "2SU"}: "America/Anchorage", {9*hour + hour/2, 10*hour + hour/2, "1SU"}: "Australia/Adelaide",
	{10 * hour, 11 * hour, "1SU"}: "Australia/Sydney", {12 * hour, 13 * hour, "-1SU"}: "Pacific/Auckland",
}

// utcOffset is +HHMM or +HHMMSS in seconds (RFC 5545 section 3.3.14).
func utcOffset(s string) (seconds int, ok bool) {
	if len(s) != 5 && len(s) != 7 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	n, err := strconv.Atoi(s[1:])
	if err != nil {
		return 0, false
	}
	if len(s) == 5 {
		n *= 100
	}
	seconds = n/10000*3600 + n/100%100*60 + n%100
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, seconds > -86400 && seconds < 86400
}

// windowsZones are the names of Windows, which Outlook and Exchange write, in the list of the Unicode CLDR.
var windowsZones = map[string]string{
	"UTC": "Etc/UTC", "GMT Standard Time": "Europe/London", "Greenwich Standard Time": "Atlantic/Reykjavik",
	"W. Europe Standard Time": "Europe/Berlin", "Romance Standard Time": "Europe/Paris", "Central Europe Standard Time": "Europe/Budapest",
	"Central European Standard Time": "Europe/Warsaw", "E. Europe Standard Time": "Europe/Chisinau", "FLE Standard Time": "Europe/Kiev",
	"GTB Standard Time": "Europe/Bucharest", "Turkey Standard Time": "Europe/Istanbul", "Israel Standard Time": "Asia/Jerusalem",
	"Egypt Standard Time": "Africa/Cairo", "South Africa Standard Time": "Africa/Johannesburg", "Russian Standard Time": "Europe/Moscow",
	"Arab Standard Time": "Asia/Riyadh", "Arabian Standard Time": "Asia/Dubai", "Iran Standard Time": "Asia/Tehran",
	"Pakistan Standard Time": "Asia/Karachi", "India Standard Time": "Asia/Kolkata", "Nepal Standard Time": "Asia/Kathmandu",
	"Bangladesh Standard Time": "Asia/Dhaka", "SE Asia Standard Time": "Asia/Bangkok", "China Standard Time": "Asia/Shanghai",
	"Singapore Standard Time": "Asia/Singapore", "Taipei Standard Time": "Asia/Taipei", "W. Australia Standard Time": "Australia/Perth",
	"Tokyo Standard Time": "Asia/Tokyo", "Korea Standard Time": "Asia/Seoul", "Cen. Australia Standard Time": "Australia/Adelaide",
	"AUS Eastern Standard Time": "Australia/Sydney", "E. Australia Standard Time": "Australia/Brisbane", "New Zealand Standard Time": "Pacific/Auckland",
	"Azores Standard Time": "Atlantic/Azores", "E. South America Standard Time": "America/Sao_Paulo", "Argentina Standard Time": "America/Buenos_Aires",
	"Newfoundland Standard Time": "America/St_Johns", "Atlantic Standard Time": "America/Halifax", "SA Western Standard Time": "America/La_Paz",
	"SA Pacific Standard Time": "America/Bogota", "Eastern Standard Time": "America/New_York", "Central Standard Time": "America/Chicago",
	"Central Standard Time (Mexico)": "America/Mexico_City", "Mountain Standard Time": "America/Denver", "US Mountain Standard Time": "America/Phoenix",
	"Pacific Standard Time": "America/Los_Angeles", "Alaskan Standard Time": "America/Anchorage", "Hawaiian Standard Time": "Pacific/Honolulu",
}
