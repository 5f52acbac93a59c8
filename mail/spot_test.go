package mail

import (
	"strings"
	"testing"
)

func TestSpotted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"write to ann@example.org.":           "ann@example.org",
		"<ann.b+c@example.org>, bob@[1.2.3]":  "ann.b+c@example.org bob@[1.2.3]",
		"a@b@c d":                             "a@b",
		"@example.org and @ and x@ y":         "",
		"mailto:ann%40example.org":            "ann%40example.org",
		"ann&#64;example.org ann＠example.org": "ann&#64;example.org ann＠example.org",
		"100% & more":                         "",
		"jürgen@bücher.example":               "jürgen@bücher.example",
		"git@host.example:path":               "git@host.example",
	} {
		var got []string
		for from, to := range Spotted(text) {
			got = append(got, text[from:to])
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q: %q, want %q", text, s, want)
		}
	}
}

// FuzzSpotted: what is found is in order and apart, and each begins and ends in the text.
func FuzzSpotted(f *testing.F) {
	for _, s := range []string{"ann@example.org", "a@b@c", "%40%40", "＠＠x", strings.Repeat("@", 1000), strings.Repeat("a@", 1000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		last := 0
		for from, to := range Spotted(text) {
			if from < last || to <= from || to > len(text) {
				t.Fatalf("%d to %d of %d, after %d", from, to, len(text), last)
			}
			last = to
		}
	})
}

// BenchmarkSpotted: a text of signs alone takes no longer than its length says.
func BenchmarkSpotted(b *testing.B) {
	for name, text := range map[string]string{"prose": strings.Repeat("The quick brown fox jumps. ", 4000), "signs": strings.Repeat("a@", 50_000), "letters": "a@" + strings.Repeat("x", 100_000)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				for range Spotted(text) {
				}
			}
		})
	}
}
