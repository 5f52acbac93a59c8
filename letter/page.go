package letter

import (
	"crypto/sha256"
	"encoding/hex"
	"html"
	"strconv"
	"strings"
)

// page writes the HTML part.
type page struct {
	strings.Builder
	vals       values
	roles      roles
	lang       string
	start, end string // left and right, or the other way round
	quotes     int    // within each other
	inCard     int
	pictures   []Picture
	sections   []Section
	begun      int // where the section under way begins
	err        error
}

// rightToLeft are the languages, or scripts, that are written so.
func rightToLeft(lang string) bool {
	base, _, _ := strings.Cut(strings.ToLower(lang), "-")
	switch base {
	case "ar", "arc", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi":
		return true
	}
	return false
}

func newPage(vals values, lang string) *page {
	if lang = oneLine(lang); lang == "" || strings.ContainsAny(lang, " /\\\"'<>&") {
		lang = "en"
	}
	g := &page{vals: vals, roles: newRoles(), lang: lang, start: "left", end: "right"}
	if rightToLeft(lang) {
		g.start, g.end = g.end, g.start
	}
	return g
}

func esc(s string) string { return html.EscapeString(s) }

func (g *page) add(parts ...string) {
	for _, s := range parts {
		g.WriteString(s)
	}
}

// open begins an element with words in a role, with more of a style perhaps. Its first letter says in which direction it
// is written: a list whose pages go from right to left has posts that do not.
func (g *page) open(tag string, r role, more string) {
	g.add("<", tag, ` dir="auto"`, r.attrs(more), ">")
}

// gap is a padding: what is at the start and the end of a line depends on its direction.
func (g *page) gap(top, end, bottom, start string) string {
	if g.start == "right" {
		start, end = end, start
	}
	return "padding:" + top + " " + end + " " + bottom + " " + start + ";"
}

// layout is a table that is no table to who reads it aloud.
const layout = `<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"`

// previewWidth is about how much mail programs show behind the subject. The rest of it is filled, lest they go on with the text.
const previewWidth = 110

// letter writes the whole page.
func (g *page) letter(subject, preheader string, main, foot []Block) string {
	dir := "ltr"
	if g.start == "right" {
		dir = "rtl"
	}
	subject = esc(slotsFor(subject, AsHTML))
	g.add(`<!DOCTYPE html>`, "\n", `<html lang="`, esc(g.lang), `" dir="`, dir, `" xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office">`, "\n<head>\n",
		`<meta charset="utf-8">`, "\n", `<meta name="viewport" content="width=device-width,initial-scale=1">`, "\n",
		`<meta name="color-scheme" content="light dark">`, "\n", `<meta name="supported-color-schemes" content="light dark">`, "\n",
		`<meta name="format-detection" content="telephone=no,date=no,address=no,email=no">`, "\n<title>", subject, "</title>\n",
		// Word takes the first font it does not have for Times; 96 dpi keeps pictures their size.
		"<!--[if mso]><xml><o:OfficeDocumentSettings><o:PixelsPerInch>96</o:PixelsPerInch></o:OfficeDocumentSettings></xml>",
		"<style>td,th,p,a,li,h1,h2,h3,blockquote{font-family:Arial,sans-serif!important}</style><![endif]-->\n",
		"<style>", sheetCSS(), "</style>\n</head>\n")
	g.add("<body", g.roles.page.attrs("margin:0;padding:0;"), ">\n")
	if preheader != "" {
		fill := max(0, previewWidth-columns(preheader))
		g.add(`<div style="display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;overflow:hidden;mso-hide:all;">`,
			esc(slotsFor(preheader, AsHTML)), strings.Repeat("&#8199;&#847; ", fill/2), "</div>\n")
	}
	g.add(layout, g.roles.page.attrs(""), `><tr><td class="out" align="center" style="padding:24px 12px;">`, "\n",
		`<!--[if mso]><table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0"><tr><td><![endif]-->`, "\n",
		layout, ` style="max-width:600px;margin:0 auto;">`, "\n<tr><td", ` align="`, g.start, `"`, g.roles.surface.attrs(""), ">\n")
	g.begun = g.Len()
	g.section("")
	g.blocks(main)
	g.endSection()
	g.add("</td></tr>\n")
	if len(foot) > 0 {
		g.add(`<tr><td align="`, g.start, `"`, g.roles.foot.attrs(""), ">\n")
		g.blocks(foot)
		g.add("</td></tr>\n")
	}
	g.add("</table>\n<!--[if mso]></td></tr></table><![endif]-->\n</td></tr></table>\n</body>\n</html>\n")
	return g.String()
}

func (g *page) blocks(all []Block) {
	for _, b := range all {
		b.page(g)
	}
}

// section begins a section; what comes before the first heading or card has no name.
func (g *page) section(name string) {
	g.endSection()
	g.sections = append(g.sections, Section{Name: name})
}

func (g *page) endSection() {
	if n := len(g.sections); n > 0 {
		g.sections[n-1].Bytes += g.Len() - g.begun
	}
	g.begun = g.Len()
}

// slotsFor changes what the slots of a text are made fit for.
func slotsFor(s string, as Encoder) string {
	return strings.ReplaceAll(s, string(slotOpens)+string(rune(AsText)), string(slotOpens)+string(rune(as)))
}

// link is an a element around HTML; the HTML alone if the URL is none to link to.
func (g *page) link(to string, r role, inner string) {
	if to == "" {
		g.add(inner)
		return
	}
	g.add(`<a href="`, esc(to), `"`, r.attrs(""), ">", inner, "</a>")
}

// button is a link that looks like one. Word draws no padding around a link, so it gets a shape (VML); it is as wide
// as its label probably is.
func (g *page) button(label, to string) {
	if to == "" {
		g.open("p", g.roles.p, "")
		g.add(esc(label), "</p>\n")
		return
	}
	c, wide := light(), 60+10*columns(label)
	g.add(layout, `><tr><td align="`, g.start, `" style="padding:4px 0 20px;">`, "\n",
		`<!--[if mso]><v:roundrect href="`, esc(to), `" style="height:46px;v-text-anchor:middle;width:`, strconv.Itoa(wide),
		`px;" arcsize="17%" stroked="f" fillcolor="`, c.button, `"><center style="color:`, c.label, `;font-family:Arial,sans-serif;font-size:16px;font-weight:bold;">`,
		esc(label), "</center></v:roundrect><![endif]-->\n<!--[if !mso]><!-->")
	g.link(to, g.roles.button, esc(label))
	g.add("<!--<![endif]-->\n</td></tr></table>\n")
}

// picture is an img; its alternative text stands in its place where pictures are not shown. width is in CSS pixels.
func (g *page) picture(p Picture, width int) {
	if len(p.Data) > 0 {
		if p.CID == "" {
			p.CID = contentID(p.Data)
		}
		known := false
		for _, q := range g.pictures {
			known = known || q.CID == p.CID
		}
		if !known {
			g.pictures = append(g.pictures, p)
		}
	}
	g.add(`<img src="cid:`, esc(p.CID), `" alt="`, esc(oneLine(p.Alt)), `" width="`, strconv.Itoa(width),
		`" class="tx" style="display:block;width:100%;max-width:`, strconv.Itoa(width), `px;height:auto;border:0;color:`, light().text, `;font-size:14px;line-height:20px;">`)
}

// contentID names a picture by its content.
func contentID(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:12]) + "@letter"
}
