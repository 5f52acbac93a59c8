package lists

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"listd/mail"
)

// This file finds in a mail what its sender wrote: not what is quoted, and no signature.

const (
	maxCommandText = 64 << 10 // bytes of text that are looked at
	maxLines       = 100      // lines of the sender's own
)

// own are the lines somebody wrote. An empty one stands for any number of them.
type own struct {
	lines []string
	cut   bool // there was more than is looked at
}

// reach is how far written reads: everywhere takes what stands below a quote too, above stops at the first.
type reach bool

const (
	everywhere reach = false
	above      reach = true
)

// written finds the lines that the sender wrote.
func written(m mail.Message, how reach) (out own) {
	text, cut := messageText(m)
	out.cut = cut
	lines := strings.Split(text, "\n")
	wrote := 0
	for i := 0; i < len(lines); i++ {
		l := strings.TrimSpace(lines[i])
		switch {
		case strings.Trim(l, ".,;:!") == "":
			if n := len(out.lines); n > 0 && out.lines[n-1] != "" {
				out.lines = append(out.lines, "")
			}
		case quoted(l):
			if how == above {
				return own{lines: out.lines}
			}
		case l == "-----BEGIN PGP SIGNED MESSAGE-----":
			for i+1 < len(lines) && strings.TrimSpace(lines[i+1]) != "" { // Hash: SHA256
				i++
			}
		case ends(l), outlookHead(lines[i:]):
			return own{lines: out.lines}
		default:
			n := attribution(lines[i:])
			if n == 0 {
				if wrote++; wrote > maxLines {
					return own{lines: out.lines, cut: true}
				}
				out.lines = append(out.lines, l)
				continue
			}
			// What follows is the quote: where it is marked as one, there may be something below.
			if i += n - 1; how == above || !quoteFollows(lines[i+1:]) {
				return own{lines: out.lines}
			}
		}
	}
	return out
}

// messageText is the text of a message with \n between its lines and quotes marked by >; cut if there was more.
func messageText(m mail.Message) (text string, cut bool) {
	root, err := mail.Parse(m, mail.MIMELimits{})
	if err != nil {
		return "", false
	}
	text, cut, _ = partText(root, 0)
	return text, cut
}

// partText is the first text with something in it, plain rather than HTML where there is a choice. What is attached,
// a forwarded message among it, is somebody else's text.
func partText(p *mail.Part, depth int) (text string, cut, ok bool) {
	if p == nil || depth > 10 || p.Disposition == "attachment" || p.Type == "message" {
		return "", false, false
	}
	if p.Type == "text" && (p.Subtype == "plain" || p.Subtype == "html" || p.Subtype == "enriched") {
		if p.Filename != "" && depth > 0 {
			return "", false, false
		}
		text, cut = p.Words(maxCommandText)
		text = visible(text)
		return text, cut, strings.TrimSpace(text) != ""
	}
	children := p.Children
	if p.Subtype == "alternative" {
		children = slices.Clone(children)
		slices.SortStableFunc(children, func(a, b *mail.Part) int { return plainness(a) - plainness(b) })
	}
	for _, c := range children {
		if text, cut, ok = partText(c, depth+1); ok {
			return text, cut, true
		}
	}
	return "", false, false
}

// plainness orders the parts of an alternative.
func plainness(p *mail.Part) int {
	if p.Type == "text" && p.Subtype == "plain" {
		return 0
	}
	return 1
}

// visible is s as one sees it: full-width letters are letters, all blanks are spaces, all quotes straight, and what
// has no width is not there. Lines stay lines.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r < utf8.RuneSelf:
			if r < ' ' || r == 0x7f {
				return ' '
			}
			return r
		case r >= '！' && r <= '～':
			return r - '！' + '!'
		case r == '\u2028', r == '\u2029', r == '\u0085':
			return '\n'
		case unicode.IsSpace(r), r == '\u180e', unicode.IsControl(r):
			return ' '
		case r == '\u00ad', unicode.Is(unicode.Cf, r), r >= '\ufe00' && r <= '\ufe0f', r == '\u034f', r == unicode.ReplacementChar:
			return -1
		case strings.ContainsRune("“”„‟«»″", r):
			return '"'
		case strings.ContainsRune("‘’‚‛′", r):
			return '\''
		case r == '\u2010', r == '\u2011':
			return '-'
		case r == '。', r == '｡':
			return '.'
		}
		return r
	}, s)
}

// clipLine is at most n bytes of a line, whole characters, with an ellipsis if there were more.
func clipLine(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= n {
		return s
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// pairs are what people put around a whole line.
var pairs = []string{`""`, `''`, "``", "**", "__", "<>", "[]", "()"}

// unwrap takes off what stands around the whole of a line: "unsubscribe", *unsubscribe*.
func unwrap(s string) string {
	for range 3 {
		s = strings.TrimSpace(s)
		for _, p := range pairs {
			if len(s) > 2 && s[0] == p[0] && s[len(s)-1] == p[1] && strings.IndexByte(s[1:len(s)-1], p[0]) < 0 {
				s = s[1 : len(s)-1]
			}
		}
	}
	return strings.TrimSpace(s)
}

// quoted reports whether a line, trimmed, is marked as somebody else's: by > or |, or by initials and >.
func quoted(l string) bool {
	if l[0] == '>' || l[0] == '|' {
		return true
	}
	i := strings.IndexByte(l, '>')
	return i > 0 && i <= 4 && strings.Trim(l[:i], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// ends reports whether nothing of the sender's follows: a signature, a rule, a forwarded message. A line that begins
// with a hyphen ends commands for Majordomo and ezmlm too.
func ends(l string) bool {
	r, size := utf8.DecodeRuneInString(l)
	switch {
	case r == '-' || r == '–' || r == '—':
		return true
	case r == '_' || r == '=' || r == '*' || r == '#' || r == '~':
		return len(l) > 4 && strings.Trim(l, string(r)) == "" || strings.HasPrefix(l[size:], "____")
	}
	low := strings.ToLower(l)
	if (strings.Contains(low, "iphone") || strings.Contains(low, "ipad")) && len(strings.Fields(l)) < 7 { // in any language
		return true
	}
	return slices.ContainsFunc(signatures, func(s string) bool { return strings.HasPrefix(low, s) })
}

// signatures begin the line that a program adds, in lower case.
var signatures = []string{
	"sent from ", "sent with ", "sent using ", "sent via ", "sent by ", "sent on the go", "get outlook for", "get bluemail",
	"von meinem ", "von meiner ", "gesendet von ", "gesendet mit ", "diese nachricht wurde von meinem", "outlook für ", "holen sie sich outlook",
	"envoyé de ", "envoyé depuis ", "envoyé à partir ", "obtenir outlook", "télécharger outlook", "enviado desde ", "enviado do ", "enviado de ", "enviado a partir ",
	"obtener outlook", "obter o outlook", "inviato da", "ottieni outlook", "scarica outlook", "verstuurd vanaf", "verzonden vanaf", "verzonden met", "outlook voor ",
	"skickat från ", "sendt fra ", "lähetetty ", "wysłane z ", "wysłano z ", "odesláno z ", "odosláno z ", "отправлено с ", "отправлено из ", "iphoneから送信",
	"outlook for ios", "发自我的", "從我的", "trimis de pe", "στάλθηκε από", "begin forwarded message", "anfang der weitergeleiteten",
	"début du message réexpédié", "inicio del mensaje reenviado", "inizio messaggio inoltrato", "this email was sent to", "virus-free.",
}

// wroteWords are in the line above a quote.
var wroteWords = []string{"wrote", "writes", "schrieb", "a écrit", "escribió", "escribio", "ha scritto", "schreef", "geschreven", "skrev", "kirjoitti", "napisał", "napsal",
	"napísal", "пишет", "писал", "написал", "escreveu", "yazdı", "írta", "scris", "έγραψε", "写道", "寫道", "のメール", "書きました", "作成", "이(가) 작성", "님이 작성", "<"}

// openings begin such a line where it goes over several.
var openings = []string{"on ", "am ", "le ", "el ", "il ", "op ", "den ", "em ", "a ", "w dniu", "dnia ", "dne ", "в ", "tue", "mon", "wed", "thu", "fri", "sat", "sun", "20", "at ", "in a message dated"}

// attribution is how many lines the line above a quote takes; 0 if lines do not begin with one. It ends in a colon
// and has a date or an address, or the quote below it: "On Tuesday at 18:30 Ana wrote:", in any language.
func attribution(lines []string) int {
	first := strings.ToLower(strings.TrimSpace(lines[0]))
	opens := slices.ContainsFunc(openings, func(o string) bool { return strings.HasPrefix(first, o) })
	joined := ""
	for n, l := range lines[:min(len(lines), 3)] {
		l = strings.TrimSpace(l)
		if n > 0 && (!opens || l == "" || quoted(l)) {
			return 0
		}
		joined += " " + strings.ToLower(l)
		if len(joined) > 600 {
			return 0
		}
		if strings.HasSuffix(joined, ":") && (strings.ContainsAny(joined, "0123456789@") || quoteFollows(lines[n+1:])) &&
			slices.ContainsFunc(wroteWords, func(w string) bool { return strings.Contains(joined, w) }) {
			return n + 1
		}
	}
	return 0
}

func quoteFollows(lines []string) bool {
	for _, l := range lines {
		if l = strings.TrimSpace(l); l != "" {
			return quoted(l)
		}
	}
	return false
}

// headWords begin the lines that Outlook puts above what it quotes, in its languages.
var headWords = []string{"from", "sent", "to", "subject", "date", "cc", "von", "gesendet", "datum", "an", "betreff", "de", "envoyé", "à", "objet", "date d'envoi",
	"enviado", "enviado el", "para", "asunto", "assunto", "fecha", "da", "inviato", "data", "a", "oggetto", "van", "verzonden", "aan", "onderwerp", "från", "fra", "skickat",
	"sendt", "till", "til", "ämne", "emne", "lähettäjä", "lähetetty", "vastaanottaja", "aihe", "od", "wysłano", "wysłane", "do", "temat", "odesláno", "komu", "předmět",
	"от", "отправлено", "дата", "кому", "тема", "差出人", "送信日時", "宛先", "件名", "发件人", "发送时间", "收件人", "主题"}

// outlookHead reports whether lines begin with the head of a quoted message: two of its fields, one below the other.
func outlookHead(lines []string) bool {
	n := 0
	for _, l := range lines[:min(len(lines), 4)] {
		l = strings.Trim(strings.TrimSpace(l), "*")
		if l == "" {
			continue
		}
		if len(l) > 600 {
			return false
		}
		word, _, ok := strings.Cut(l, ":")
		if !ok || !slices.Contains(headWords, strings.ToLower(strings.Trim(word, " *"))) {
			return false
		}
		if n++; n == 2 {
			return true
		}
	}
	return false
}

var greetings = []string{"hi", "hello", "hey", "dear", "greetings", "good", "hallo", "guten", "moin", "servus", "sehr", "liebe", "lieber", "bonjour", "salut", "hola",
	"buenos", "buenas", "estimado", "ciao", "buongiorno", "salve", "beste", "hej", "olá", "cześć", "dzień", "здравствуйте", "привет", "mailman", "majordomo", "sympa", "listserv"}

// greets reports whether a line is a greeting and nothing else.
func greets(l string) bool {
	words := strings.Fields(strings.ToLower(l))
	return len(words) <= 5 && slices.Contains(greetings, strings.Trim(words[0], ",.!:"))
}

var closings = []string{"thanks", "thank you", "many thanks", "thx", "ty", "regards", "kind regards", "best", "warm regards", "cheers", "sincerely", "yours", "danke",
	"vielen dank", "mfg", "mit freundlichen", "viele grüße", "liebe grüße", "beste grüße", "schöne grüße", "freundliche grüße", "gruß", "lg", "vg", "merci", "cordialement",
	"bien cordialement", "bien à vous", "gracias", "muchas gracias", "saludos", "un saludo", "grazie", "cordiali saluti", "groet", "groeten", "met vriendelijke", "bedankt",
	"dank", "mvh", "hälsningar", "tack", "tak", "obrigado", "obrigada", "atenciosamente", "pozdrawiam", "dziękuję", "terveisin", "kiitos", "спасибо", "с уважением", "ありがとう",
	"よろしく", "谢谢", "謝謝", "감사합니다", "teşekkürler"}

// closes reports whether a line takes leave: what follows is a name.
func closes(l string) bool {
	l = strings.ToLower(l)
	for _, c := range closings {
		rest, ok := strings.CutPrefix(l, c)
		next, _ := utf8.DecodeRuneInString(rest)
		if ok && !unicode.IsLetter(next) && len(strings.Fields(rest)) <= 3 || ok && next > '\u3000' {
			return true
		}
	}
	return false
}
