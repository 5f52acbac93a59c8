package archive

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"only signs", " \r\n\t*** -- \"'()\x00 ", ""},
		{"words", "The quick, brown FOX's 2 tails", "the quick brown fox s 2 tails"},
		{"code", "foo_bar foo.bar a-b C++ os.path.join(x)", "foo bar foo bar a b c os path join x"},
		{"addresses", "Ann <ann.o'neil@lists.example.org> https://example.org/a?b=c#d", "ann \ue001ann \ue001o \ue001neil \ue001lists \ue001example \ue001org https example org a b c d"},
		{"numbers", "3.14 1,000 0x1F 2026-01-05", "3 14 1 000 0x1f 2026 01 05"},
		{"German", "Grüße aus Köln, STRASSE Straße ẞ", "grusse aus koln strasse strasse ss"},
		{"German, taken apart", "Gru\u0308ße", "grusse"},
		{"French", "L’été, œuvre ÇA", "l ete oeuvre ca"},
		{"Norwegian and Polish", "Øre blåbær Łódź", "ore blabaer lodz"},
		{"Vietnamese", "Tiếng Việt Đà Nẵng", "tieng viet da nang"},
		{"Turkish", "Işık İstanbul ılık KIŞ kış", "isik istanbul ilik kis kis"},
		{"Greek", "Ἀθῆναι ΟΔΟΣ οδός", "αθηναι οδοσ οδοσ"},
		{"Cyrillic", "Ёлка МОСКВА Київ", "елка москва киів"},
		{"Hebrew", "שָׁלוֹם שלום", "שלום שלום"},
		{"Arabic", "مُحَمَّد محمـد أحمد", "محمد محمد احمد"},
		{"Hindi", "हिन्दी में", "हिन्दी में"},
		{"Thai", "ภาษาไทย", "ภา าษ ษา าไ ไท ทย ย"},
		{"Thai marks and digits", "ที่ ๒", "ที ี่ ่ ๒"},
		{"Han", "東京都庁", "東京 京都 都庁 庁"},
		{"one letter", "我 x", "我 x"},
		{"Kana", "カタカナとひらがな", "カタ タカ カナ ナと とひ ひら らが がな な"},
		{"half width", "ｶﾞｷﾞ ＡＢＣ１２", "ガギ ギ abc12"},
		{"Kana, taken apart", "か\u3099き", "がき き"},
		{"Hangul", "한국어", "한국 국어 어"},
		{"Hangul, taken apart", "\u1112\u1161\u11ab\u1100\u116e\u11a8", "한국 국"},
		{"mixed", "Python入門2版", "python 入門 門 2 版"},
		{"emoji", "ship it 🚀🎉 👍🏽 ❤️", "ship it 🚀 🎉 👍 ❤"},
		{"ligatures and such", "ﬁne ² Ⅷ ℃", "fine 2 viii c"},
		{"not seen", "soft\u00adhyphen zero\u200dwidth zero\u200bspace", "softhyphen zerowidth zero space"},
		{"not UTF-8", "caf\xe9 na\xffme \xf0\x9f", "caf na me"},
		{"long", strings.Repeat("a", 100) + " b", strings.Repeat("a", 64) + " b"},
		{"long, of two bytes", strings.Repeat("я", 40), strings.Repeat("я", 32)},
	} {
		if got := tokens(c.text); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTokensAreBounded(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"letters that come apart into many": strings.Repeat("ﷺ", 200_000),
		"pairs":                             strings.Repeat("東京", 200_000),
		"marks":                             "a" + strings.Repeat("\u0301", 500_000),
		"one word":                          strings.Repeat("x", 1<<20),
		"jamo":                              strings.Repeat("\u1112\u1161", 200_000),
	} {
		if n := len(tokens(text)); n > maxWords || n == 0 {
			t.Errorf("%s: %d bytes of tokens", name, n)
		}
	}
}

func FuzzTokens(f *testing.F) {
	for _, s := range []string{"The quick fox", "Grüße ẞ İstanbul", "東京都 한국어 ｶﾞ ภาษาไทย", "مُحَمَّد ﷺ हिन्दी", "🚀👍🏽❤️", "a\xffb\x00c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		from := 0
		tk := tokenizer{emit: func(token []byte, k kind, a, b int) bool {
			if a < 0 || b <= a || b > len(text) || a < from && k != kindLast && k != kindPair {
				t.Errorf("%q stands at %d to %d of %d, after %d", token, a, b, len(text), from)
			}
			from = a
			s := strings.TrimPrefix(string(token), covers)
			if s == "" || len(s) > maxToken || !utf8.ValidString(s) || strings.ContainsAny(s, " \"'\\\x00") {
				t.Errorf("token %q", s)
			}
			if k != kindPair && tokens(s) != s {
				t.Errorf("%q is not found by itself, but by %q", s, tokens(s))
			}
			return true
		}}
		tk.scan(text)
		if len(text) <= 1000 && strings.Contains(tokens(text+" end"), "  ") {
			t.Errorf("%q", tokens(text))
		}
	})
}

func BenchmarkTokens(b *testing.B) {
	for name, text := range map[string]string{
		"ASCII": strings.Repeat("The quick brown fox jumps over the lazy dog, says foo_bar at 10:30.\r\n", 1000),
		"Latin": strings.Repeat("Grüße aus Köln: das Frühstück für die Gäste ist fertig, sagt Jürgen.\r\n", 1000),
		"Han":   strings.Repeat("東京都庁は新宿区にあります。\r\n", 3000),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tokens(text)
			}
		})
	}
}
