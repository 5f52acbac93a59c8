package letter

import "strings"

// palette is the colours of a letter. The test computes the contrast of all that meet.
type palette struct{ page, surface, panel, text, muted, accent, button, label, line, bar, track string }

// The two palettes. What a mail program inverts by itself starts from light.
func light() palette {
	return palette{page: "#f1f3f6", surface: "#ffffff", panel: "#f6f8fa", text: "#1f2733", muted: "#566070", accent: "#1a56c4",
		button: "#1a56c4", label: "#ffffff", line: "#dfe3e8", bar: "#3b78e0", track: "#e8ecf2"}
}

func dark() palette {
	return palette{page: "#101318", surface: "#1a1e25", panel: "#232932", text: "#e6e9ee", muted: "#a6afbc", accent: "#8fb8ff",
		button: "#2c62cf", label: "#ffffff", line: "#363d48", bar: "#6d9df0", track: "#2b323d"}
}

// fonts are those that systems have; nothing is loaded.
const fonts = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"

const monospace = "ui-monospace,SFMono-Regular,Menlo,Consolas,monospace"

// role is how an element looks: the class that <style> may overrule in the dark, and what is inlined.
type role struct{ class, style string }

// attrs are the attributes of a role, with what is to be added to its style.
func (r role) attrs(more string) string {
	s := ""
	if r.class != "" {
		s = ` class="` + r.class + `"`
	}
	if style := r.style + more; style != "" {
		s += ` style="` + style + `"`
	}
	return s
}

// roles are all looks there are. Only properties that Gmail, Outlook's Word engine and Apple Mail know, or ignore without harm, are used.
type roles struct {
	page, surface, foot, panel              role
	h1, h2, h3, p, small, li, pre, code, hr role
	link, title, quote, cell, head, button  role
	figure, figureLabel, track, bar         role
}

func newRoles() roles {
	c := light()
	text := "font-family:" + fonts + ";color:" + c.text + ";"
	muted := "font-family:" + fonts + ";color:" + c.muted + ";"
	return roles{
		page:        role{"bg", "background-color:" + c.page + ";"},
		surface:     role{"sf tx pad", "background-color:" + c.surface + ";" + text + "border-radius:12px;font-size:16px;line-height:25px;padding:32px 32px 16px;"},
		foot:        role{"mu low", muted + "font-size:13px;line-height:20px;padding:20px 32px 0;"},
		panel:       role{"pn bd", "background-color:" + c.panel + ";border:1px solid " + c.line + ";border-radius:8px;padding:16px 20px 4px;"},
		h1:          role{"tx", text + "font-size:26px;line-height:33px;font-weight:700;margin:0 0 12px;"},
		h2:          role{"tx", text + "font-size:20px;line-height:27px;font-weight:700;margin:28px 0 12px;"},
		h3:          role{"tx", text + "font-size:17px;line-height:24px;font-weight:700;margin:20px 0 8px;"},
		p:           role{"", "margin:0 0 16px;"},
		small:       role{"mu", muted + "font-size:14px;line-height:20px;margin:0 0 8px;"},
		li:          role{"", "margin:0 0 6px;"},
		pre:         role{"pn tx", "background-color:" + c.panel + ";color:" + c.text + ";font-family:" + monospace + ";font-size:14px;line-height:21px;white-space:pre-wrap;word-wrap:break-word;border-radius:6px;padding:12px 16px;margin:0 0 16px;"},
		code:        role{"pn tx", "background-color:" + c.panel + ";color:" + c.text + ";font-family:" + monospace + ";font-size:90%;"},
		hr:          role{"bd", "border:0;border-top:1px solid " + c.line + ";margin:24px 0;"},
		link:        role{"ln", "color:" + c.accent + ";text-decoration:underline;"},
		title:       role{"ln", "color:" + c.accent + ";text-decoration:none;font-weight:700;"},
		quote:       role{"mu bd", muted + "margin:0 0 16px;padding:0 0 0 16px;border-left:3px solid " + c.line + ";"},
		cell:        role{"tx bd cl", text + "font-size:15px;line-height:21px;padding:8px 10px;border-bottom:1px solid " + c.line + ";"},
		head:        role{"mu bd cl", muted + "font-size:13px;line-height:18px;font-weight:700;padding:8px 10px;border-bottom:2px solid " + c.line + ";"},
		button:      role{"bt", "background-color:" + c.button + ";color:" + c.label + ";font-family:" + fonts + ";font-size:16px;line-height:24px;font-weight:700;text-decoration:none;display:inline-block;padding:11px 24px;border-radius:8px;"},
		figure:      role{"tx", text + "font-size:28px;line-height:34px;font-weight:700;"},
		figureLabel: role{"mu", muted + "font-size:13px;line-height:18px;"},
		track:       role{"tr", "background-color:" + c.track + ";border-radius:4px;"},
		bar:         role{"br", "background-color:" + c.bar + ";border-radius:4px;font-size:1px;line-height:16px;"},
	}
}

// sheetCSS is what <style> holds. Where it is ignored nothing is missing: it only answers to the dark and to narrow windows.
// [data-ogsc] and [data-ogsb] are what Outlook's apps put around a mail whose colours they change.
func sheetCSS() string {
	var b strings.Builder
	b.WriteString(":root{color-scheme:light dark;supported-color-schemes:light dark}" +
		"body{-webkit-text-size-adjust:100%;-ms-text-size-adjust:100%}" +
		"@media (max-width:480px){.pad{padding:24px 20px 8px!important}.out{padding:0!important}.low{padding:20px 20px 0!important}.cl{padding:7px 5px!important;font-size:14px!important}}")
	b.WriteString("@media (prefers-color-scheme:dark){" + darkRules("", "") + "}")
	b.WriteString(darkRules("[data-ogsc] ", "[data-ogsb] "))
	return b.String()
}

// darkRules are the dark palette by class, those of colours behind one selector and those of backgrounds behind another.
func darkRules(fore, back string) string {
	c := dark()
	var b strings.Builder
	for _, r := range []struct{ class, property, colour string }{
		{"bg", "background-color", c.page}, {"sf", "background-color", c.surface}, {"pn", "background-color", c.panel},
		{"tx", "color", c.text}, {"mu", "color", c.muted}, {"ln", "color", c.accent}, {"bt", "background-color", c.button}, {"bt", "color", c.label},
		{"bd", "border-color", c.line}, {"br", "background-color", c.bar}, {"tr", "background-color", c.track},
	} {
		selector := fore
		if r.property == "background-color" {
			selector = back
		}
		b.WriteString(selector + "." + r.class + "{" + r.property + ":" + r.colour + "!important}")
	}
	return b.String()
}
