package mail

import (
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
	if z, ok := c.zones[id]; ok {
		return z
	}
	name := id
	if w, ok := windowsZones[id]; ok {
		name = w
	}
	// Some write /example.org/20260101/Europe/Paris.
	for rest := strings.Trim(name, "/"); rest != ""; _, rest, _ = strings.Cut(rest, "/") {
		if strings.EqualFold(rest, "local") || strings.Contains(rest, "..") {
			break
		}
		if z, err := time.LoadLocation(rest); err == nil {
			return z
		}
	}
	return time.UTC
}

// zone learns a VTIMEZONE whose name says nothing to us, by the offset that it names first: rules of summer time that
// exist nowhere else are rare.
func (c *calendar) zone(v component) {
	id := v.one("TZID").value
	if id == "" || len(c.zones) == 100 || c.location(id) != time.UTC {
		return
	}
	if offset, ok := utcOffset(v.one("TZOFFSETTO").value); ok {
		c.zones[id] = time.FixedZone(clean(id, 60), offset)
	}
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
