package mail

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// This file knows the lines that programs put above what they quote, in the languages met most.

// wroteWords are in the line above a quote.
var wroteWords = []string{"wrote", "writes", "schrieb", "a écrit", "escribió", "escribio", "ha scritto", "schreef", "geschreven", "skrev", "kirjoitti", "napisał", "napsal",
	"napísal", "пишет", "писал", "написал", "escreveu", "yazdı", "írta", "scris", "έγραψε", "写道", "寫道", "のメール", "書きました", "作成", "이(가) 작성", "님이 작성", "<"}

// openings begin such a line where it goes over several.
var openings = []string{"on ", "am ", "le ", "el ", "il ", "op ", "den ", "em ", "a ", "w dniu", "dnia ", "dne ", "в ", "tue", "mon", "wed", "thu", "fri", "sat", "sun", "20", "at ", "in a message dated"}

// maxAttribution is how long it is at most, in bytes, and attributionLines how many lines.
const maxAttribution, attributionLines = 600, 3

// attribution is how many lines the line above a quote takes; 0 if lines do not begin with one. It ends in a colon
// and has a date or an address, or the quote below it: "On Tuesday at 18:30 Ana wrote:".
func attribution(lines []string) int {
	size := 0
	for n, l := range lines[:min(len(lines), attributionLines)] {
		l = strings.TrimSpace(l)
		if size += len(l) + 1; size > maxAttribution || l == "" || n > 0 && looksQuoted(l) {
			return 0
		}
		if !strings.HasSuffix(l, ":") && !strings.HasSuffix(l, "：") {
			continue
		}
		joined := strings.ToLower(strings.Join(lines[:n+1], " "))
		if n > 0 && (!opens(lines[0]) || slices.ContainsFunc(lines[1:n+1], opens) && !dated(lines[0])) ||
			!strings.ContainsAny(joined, "0123456789@") && !quoteFollows(lines[n+1:]) ||
			!slices.ContainsFunc(wroteWords, func(w string) bool { return strings.Contains(joined, w) }) {
			return 0
		}
		return n + 1
	}
	return 0
}

// dated reports whether a line may end amid a date. One that does not, above a line that opens, is its author's own.
func dated(l string) bool {
	return strings.ContainsAny(l, "0123456789") && !strings.HasSuffix(strings.TrimSpace(l), ".")
}

// opens reports whether a line begins as such a line does.
func opens(l string) bool {
	const longest = 40
	l = strings.TrimSpace(l)
	l = strings.ToLower(l[:min(len(l), longest)])
	return slices.ContainsFunc(openings, func(o string) bool { return strings.HasPrefix(l, o) })
}

// surelyAttribution reports whether lines that attribution found say so without a quote below them: they begin like
// one, and end with the word or have an address.
func surelyAttribution(lines []string) bool {
	s := strings.TrimRight(strings.ToLower(strings.Join(lines, " ")), ":： ")
	return opens(lines[0]) && strings.ContainsAny(s, "0123456789") &&
		(strings.Contains(s, "@") || slices.ContainsFunc(wroteWords, func(w string) bool { return strings.HasSuffix(s, w) }))
}

// quoteFollows reports whether the next line that is not empty, if it is near, is marked as a quote.
func quoteFollows(lines []string) bool {
	const near = 4
	for _, l := range lines[:min(len(lines), near)] {
		if l = strings.TrimSpace(l); l != "" {
			return looksQuoted(l)
		}
	}
	return false
}

// looksQuoted reports whether a line, trimmed, is marked as somebody else's: by > or |, or by initials and >.
func looksQuoted(l string) bool { return l != "" && (l[0] == '>' || l[0] == '|') || initials(l) > 0 }

// initials is the length of such a mark as "AB>".
func initials(l string) int {
	i := strings.IndexByte(l[:min(len(l), 5)], '>')
	if i > 0 && strings.Trim(l[:i], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
		return i + 1
	}
	return 0
}

// fromWords and headWords begin the lines that Outlook puts above what it quotes, in its languages. The former say who
// wrote, and come first.
var (
	fromWords = []string{"from", "von", "de", "da", "van", "från", "fra", "lähettäjä", "od", "от", "差出人", "发件人", "寄件者", "보낸 사람"}
	headWords = []string{"sent", "to", "subject", "date", "cc", "gesendet", "datum", "an", "betreff", "envoyé", "à", "objet", "date d'envoi",
		"enviado", "enviado el", "enviada em", "para", "asunto", "assunto", "fecha", "inviato", "data", "a", "oggetto", "verzonden", "aan", "onderwerp", "skickat",
		"sendt", "till", "til", "ämne", "emne", "lähetetty", "vastaanottaja", "aihe", "wysłano", "wysłane", "do", "temat", "odesláno", "komu", "předmět",
		"отправлено", "дата", "кому", "тема", "送信日時", "宛先", "件名", "发送时间", "收件人", "主题", "日付", "寄件日期", "收件者", "主旨", "reply-to", "copie", "kopie"}
)

// headLines is how many lines the head of a quoted message takes; 0 if lines do not begin with one: three fields, the
// first of which says who wrote it. announced says that it follows a line that announces it: then any two are enough.
func headLines(lines []string, announced bool) (n int) {
	const most = 12
	var seen []string
	wrapped := false
	for i, l := range lines[:min(len(lines), most)] {
		l = strings.TrimSpace(l)
		word, value := headWord(l)
		switch {
		case l == "" && i == n && len(seen) > 0 && len(seen) < 3 && i > 0:
			continue // HTML has each in a paragraph of its own
		case word == "" && wrapped && l != "":
			n = i + 1 // recipients go on
		case word == "" || slices.Contains(seen, word):
			return enoughHead(seen, announced, n)
		case !announced && len(seen) == 0 && !slices.Contains(fromWords, word):
			return 0
		default:
			seen, n = append(seen, word), i+1
		}
		wrapped = strings.HasSuffix(l, ",") || strings.HasSuffix(l, ";") || word != "" && value == ""
	}
	return enoughHead(seen, announced, n)
}

func enoughHead(seen []string, announced bool, n int) int {
	if len(seen) >= 3 || announced && len(seen) == 2 {
		return n
	}
	return 0
}

// headWord is the known word before a line's colon, in lower case.
func headWord(l string) (word, value string) {
	const longest = 40
	short := l[:min(len(l), longest)]
	i, size := strings.IndexByte(short, ':'), 1
	if i < 0 {
		i, size = strings.Index(short, "："), len("：")
	}
	if i < 1 {
		return "", ""
	}
	word = strings.ToLower(strings.Trim(l[:i], " *\u00a0"))
	if !slices.Contains(fromWords, word) && !slices.Contains(headWords, word) {
		return "", ""
	}
	return word, strings.Trim(l[i+size:], " *\u00a0")
}

// announcements stand between hyphens above a message that is quoted whole, in lower case.
var announcements = []string{"original message", "original appointment", "forwarded message", "ursprüngliche nachricht", "originalnachricht", "weitergeleitete nachricht",
	"message d'origine", "message d’origine", "message original", "message transféré", "message initial", "mensaje original", "mensaje reenviado", "forwarded by", "messaggio originale",
	"messaggio inoltrato", "oorspronkelijk bericht", "oorspronkelijke bericht", "doorgestuurd bericht", "mensagem original", "mensagem encaminhada", "ursprungligt meddelande", "originalmeddelande", "vidarebefordrat",
	"oprindelig meddelelse", "original besked", "opprinnelig melding", "alkuperäinen viesti", "wiadomość oryginalna", "oryginalna wiadomość", "původní zpráva",
	"исходное сообщение", "пересылаемое сообщение", "元のメッセージ", "原始邮件", "原始郵件", "转发邮件", "원본 메시지", "begin forwarded message", "anfang der weitergeleiteten",
	"début du message réexpédié", "début du message transféré", "inicio del mensaje reenviado", "inizio messaggio inoltrato"}

// announcesQuote reports whether a line says that a quoted message follows.
func announcesQuote(l string) bool {
	const longest = 200
	l = strings.TrimSpace(l)
	if len(l) < 5 || len(l) > longest {
		return false
	}
	ruled := strings.HasPrefix(l, "---")
	if !ruled && !strings.HasSuffix(l, ":") {
		return false
	}
	low := strings.ToLower(strings.Trim(l, "- "))
	return slices.ContainsFunc(announcements, func(a string) bool {
		return ruled && strings.Contains(low, a) || strings.HasPrefix(low, a) && strings.HasSuffix(low, ":")
	})
}

// footerRule begins the line that list managers put above their footer, digestRule parts the messages of a digest (RFC
// 1153).
const (
	footerRule = "________________________________________"
	digestRule = "------------------------------"
)

// ruled reports whether a line is a rule such as programs put above what they quote.
func ruled(l string) bool {
	if l[0] < utf8.RuneSelf && strings.IndexByte("_-=*", l[0]) < 0 {
		return false
	}
	r, size := utf8.DecodeRuneInString(l)
	return l != digestRule && len(l) >= 5*size && strings.ContainsRune("_-=*—", r) && strings.Trim(l, string(r)) == ""
}

// signatures begin the line that a program adds, in lower case.
var signatures = []string{
	"sent from my ", "sent from mail for ", "sent from outlook", "sent from yahoo", "sent from proton", "sent with ", "sent using ", "sent via ", "sent on the go", "get outlook for", "get bluemail",
	"von meinem iphone", "von meinem ipad", "gesendet von ", "von meinem android", "gesendet mit ", "diese nachricht wurde von meinem", "outlook für ", "holen sie sich outlook",
	"envoyé de mon ", "envoyé depuis ", "envoyé à partir ", "obtenir outlook", "télécharger outlook", "enviado desde ", "enviado do ", "enviado de ", "enviado a partir ",
	"obtener outlook", "obter o outlook", "inviato da ", "ottieni outlook", "scarica outlook", "verstuurd vanaf", "verzonden vanaf", "verzonden met", "outlook voor ",
	"skickat från ", "sendt fra ", "lähetetty ", "wysłane z ", "wysłano z ", "odesláno z ", "odosláno z ", "отправлено с ", "отправлено из ", "iphoneから送信",
	"outlook for ios", "发自我的", "從我的", "trimis de pe", "στάλθηκε από", "this email was sent to", "virus-free.",
}

// byProgram reports whether a line was added by a program: it is short, and begins like one.
func byProgram(l string) bool {
	const longest = 80
	if len(l) > longest || len(l) < 8 {
		return false
	}
	low := strings.ToLower(strings.TrimSpace(l))
	return slices.ContainsFunc(signatures, func(s string) bool { return strings.HasPrefix(low, s) })
}
