package mail

import "strings"

// Classify says what a refusal means: by its words first where its codes are as general as 5.0.0, 5.7.1 or none, by its
// enhanced code (RFC 3463, 5248, 7372, 7505, and what Exchange adds) otherwise, then by its reply code (RFC 5321). Words that
// cannot be mistaken win over any code. Code 0 and an empty enhanced code are looked for in the text. It serves a live
// dialogue's replies as well as reports.
func Classify(code int, enhanced string, text string) (permanent bool, c Class) {
	textCode, textEnhanced := findCodes(text)
	if code == 0 {
		code = textCode
	}
	if enhanced == "" {
		enhanced = textEnhanced
	}
	said, sure, passing := classOfText(text)
	c = classOfCode(enhanced, code)
	switch {
	case said == Unknown:
	case enhanced == "5.4.1" && said == Policy && strings.Contains(strings.ToLower(text), "recipient address rejected"):
		c = NoUser // QUIRK: Microsoft 365 says so of who is not in its directory
	case sure, c == Unknown, genericStatus(enhanced):
		c = said
	}
	switch {
	case genericStatus(enhanced) && code/100 == 4:
		return false, c // what the other side said, where ours has only a general word
	case enhanced != "":
		return enhanced[0] != '4', c
	case code != 0:
		return code/100 != 4, c
	}
	return !passing && c != Full && c != Network, c
}

// genericStatus reports whether an enhanced code leaves open what happened.
func genericStatus(enhanced string) bool {
	if enhanced == "" {
		return true
	}
	switch enhanced[1:] {
	case ".0.0", ".1.0", ".2.0", ".3.0", ".4.0", ".5.0", ".6.0", ".7.0", ".7.1", ".1.10", ".4.1", ".3.2", ".3.5", ".5.1", ".5.2", ".5.4", ".5.9",
		".99.99", ".9.9", ".0.1", ".4.7", ".2.1", ".7.8":
		return true
	}
	return false
}

// subjects are the classes of RFC 3463's second number, and statuses those of the second and third, where they differ:
// the IANA registry of enhanced status codes, then Exchange and Microsoft 365.
var subjects = map[string]Class{"1": NoUser, "6": Content, "7": Policy}

var statuses = map[string]Class{
	"1.0": Unknown, "1.1": NoUser, "1.2": NoHost, "1.3": NoUser, "1.4": NoUser, "1.5": Unknown, "1.6": NoUser, "1.7": Policy, "1.8": Policy, "1.9": Content, "1.10": NoHost,
	"2.1": NoUser, "2.2": Full, "2.3": Size, "2.4": NoUser,
	"3.1": Network, "3.2": Network, "3.3": Content, "3.4": Size, "3.5": Network, "3.6": Content,
	"4.0": Network, "4.1": Network, "4.2": Network, "4.3": Network, "4.4": NoHost, "4.5": Network, "4.6": Network, "4.7": Network, "4.8": Network,
	"5.3": Policy, "5.6": Content,
	"7.7": Auth, "7.8": Auth, "7.9": Auth, "7.11": Auth, "7.12": Auth, "7.13": Auth, "7.14": Auth, "7.16": Size, "7.17": NoUser, "7.18": NoHost,
	"7.20": Auth, "7.21": Auth, "7.22": Auth, "7.23": Auth, "7.24": Auth, "7.26": Auth, "7.29": Auth,

	"1.20": Policy, "1.90": Policy, "2.14": Network, "2.121": Policy, "2.122": Policy, "2.120": Policy,
	"3.190": Content, "4.9": Network, "4.12": Network, "4.14": Network, "4.300": Network, "4.310": NoHost, "4.312": Network, "4.316": Network, "4.317": Network,
	"7.57": Auth, "7.60": Auth, "7.64": Relay, "7.367": Relay, "7.509": Auth, "7.515": Auth, "7.520": Policy, "7.51": Policy,
}

// replies are the classes of RFC 5321's and its extensions' codes that say enough by themselves.
var replies = map[int]Class{421: Network, 432: Policy, 441: Network, 442: Network, 447: Network, 454: Auth, 471: Spam, 521: NoHost, 523: Size, 530: Auth, 534: Auth, 535: Auth,
	538: Auth, 551: NoUser, 552: Full, 553: NoUser, 556: NoHost}

// classOfCode is what codes say without words.
func classOfCode(enhanced string, code int) Class {
	if code == 556 {
		return NoHost // RFC 7504
	}
	if len(enhanced) > 2 {
		if c, ok := statuses[enhanced[2:]]; ok && c != Unknown {
			return c
		} else if !ok {
			subject, _, _ := strings.Cut(enhanced[2:], ".")
			if c := subjects[subject]; c != Unknown {
				return c
			}
		}
		if code != 552 && code != 556 && code != 521 && code != 553 {
			return Unknown
		}
	}
	return replies[code]
}

// classOfText is what words say; sure that no code should overrule them; passing that the cause will pass.
func classOfText(text string) (c Class, sure, passing bool) {
	if len(text) > 4096 {
		text = text[:4096]
	}
	s := plainWords(text)
	best := -1
	classPhrases.each(s, func(id, _, _ int) bool {
		if classGroups[id].passing {
			passing = true
		} else if best < 0 || id < best {
			best = id
		}
		return true
	})
	if best < 0 {
		return Unknown, false, passing
	}
	return classGroups[best].class, classGroups[best].sure, passing
}

// plainWords is a text in lower case, blanks single, without the names in its addresses: those of people may read like
// anything.
func plainWords(text string) string {
	spots := addressesIn(text)
	if len(spots) > 0 {
		var b strings.Builder
		at := 0
		for _, s := range spots {
			b.WriteString(text[at:s.start])
			b.WriteByte('@')
			at = s.end
		}
		b.WriteString(text[at:])
		text = b.String()
	}
	return folded(text)
}

// folded is s in lower case, squeezed and trimmed.
func folded(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return strings.Trim(squeeze(strings.ToLower(s)), " \u00a0")
		}
	}
	return strings.TrimRight(squeeze(s), " ")
}

// squeeze makes runs of blanks one, and ASCII lower case. The codes of a reply's further lines, "550-5.7.1", are left out, since sentences go on
// over them.
func squeeze(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case (c == '5' || c == '4') && len(b) > 0 && b[len(b)-1] == ' ' && furtherLine(s[i:]) > 0:
			i += furtherLine(s[i:]) - 1
		case c >= 'A' && c <= 'Z':
			b = append(b, c|0x20)
		case c != ' ' && c != '\t' && c != '\r' && c != '\n':
			b = append(b, c)
		case len(b) > 0 && b[len(b)-1] != ' ':
			b = append(b, ' ')
		}
	}
	return string(b)
}

// findCodes finds the first SMTP reply code and the first enhanced code of a refusal in a text, but a later one of the
// same kind that says more.
func findCodes(s string) (code int, enhanced string) {
	for i := 0; i < len(s) && (code == 0 || genericStatus(enhanced)); i++ {
		c := s[i]
		if c != '4' && c != '5' && c != '2' || i > 0 && (digit(s[i-1]) || letter(s[i-1]) || s[i-1] == '.' && i > 1 && (digit(s[i-2]) || letter(s[i-2])) || s[i-1] == '@' || s[i-1] == '_' ||
			s[i-1] == '$' || s[i-1] == '/' || s[i-1] == '%') {
			continue
		}
		if e := enhancedAt(s[i:]); e != "" {
			if enhanced == "" || e[0] == enhanced[0] && genericStatus(enhanced) && !genericStatus(e) {
				enhanced = e
			}
			i += len(e) - 1
			continue
		}
		if code == 0 && c != '2' {
			code = replyAt(s[i:], i > 0 && s[i-1] == '-')
		}
	}
	if enhanced != "" && enhanced[0] == '2' && code != 0 {
		enhanced = ""
	}
	return code, enhanced
}

// enhancedAt is the RFC 3463 code at the start of s: no address, no version, no date.
func enhancedAt(s string) string {
	if len(s) < 5 || s[1] != '.' {
		return ""
	}
	i, dots := 2, 1
	for start := 2; ; {
		for i < len(s) && digit(s[i]) {
			i++
		}
		if i == start || i-start > 3 || dots == 1 && i-start > 1 { // no subject has two digits, but versions have
			return ""
		}
		if dots == 2 {
			break
		}
		if i >= len(s) || s[i] != '.' {
			return ""
		}
		i, dots = i+1, dots+1
		start = i
	}
	if i < len(s) && (letter(s[i]) || s[i] == '_' || s[i] == '@' || s[i] == '.' && i+1 < len(s) && digit(s[i+1])) {
		return ""
	}
	return s[:i]
}

// furtherLine is the length of "550-5.7.1" at the start of s, 0 if something else stands there.
func furtherLine(s string) int {
	if len(s) < 9 || !digit(s[1]) || !digit(s[2]) || s[3] != '-' {
		return 0
	}
	if e := enhancedAt(s[4:]); e != "" {
		return 4 + len(e)
	}
	return 0
}

// units are what numbers count that are no codes.
var units = []string{"kb", "mb", "gb", "k ", "byte", "message", "recipient", "hour", "day", "second", "minute", "seconds", "mails", "kilo", "mega", "users"}

// replyAt is the SMTP reply code at the start of s, 0 if it is another number.
func replyAt(s string, hyphen bool) int {
	if len(s) < 3 || !digit(s[1]) || !digit(s[2]) || s[1] > '7' || hyphen {
		return 0
	}
	if len(s) > 3 {
		if c := s[3]; digit(c) || letter(c) || c == '.' && len(s) > 4 && (digit(s[4]) || letter(s[4])) || c == '@' || c == '/' || c == '%' || c == '_' {
			return 0
		}
		rest := strings.ToLower(strings.TrimLeft(s[3:min(len(s), 16)], " "))
		for _, u := range units {
			if strings.HasPrefix(rest, u) {
				return 0
			}
		}
	}
	n := int(s[0]-'0')*100 + int(s[1]-'0')*10 + int(s[2]-'0')
	switch {
	case n >= 421 && n <= 459, n == 471, n >= 500 && n <= 504, n >= 510 && n <= 557, n == 571, n == 577, n == 570:
		return n
	}
	return 0
}

func digit(c byte) bool  { return c >= '0' && c <= '9' }
func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
