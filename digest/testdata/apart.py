"""Takes digests apart: Python's email package the MIME ones, a burster of RFC 1153 the plain ones.

Usage: apart.py mime|plain FILE. Writes JSON.
"""
import base64
import email
import email.message
import json
import re
import sys


class Sealed(email.message.Message):
    """A message whose enclosed messages are left as they are: parsing would lose their bytes."""

    def get_content_maintype(self):
        kind = super().get_content_type()
        return "application" if kind == "message/rfc822" else super().get_content_maintype()


def text_of(part):
    return part.get_payload(decode=True).decode(part.get_content_charset() or "ascii").replace("\r\n", "\n")


def mime(data):
    outer = email.message_from_bytes(data, _class=Sealed)
    kinds = [p.get_content_type() for p in outer.get_payload()]
    assert outer.get_content_type() == "multipart/mixed", outer.get_content_type()
    assert kinds == ["text/plain", "multipart/digest", "text/plain"], kinds
    first, digest, last = outer.get_payload()
    # And once with everything opened.
    opened = email.message_from_bytes(data).get_payload()[1].get_payload()
    assert all(p.get_content_type() == "message/rfc822" and len(p.get_payload()) == 1 for p in opened)
    assert not outer.defects and not digest.defects, (outer.defects, digest.defects)
    return {
        "subject": outer["Subject"],
        "masthead": text_of(first),
        "footer": text_of(last),
        "posts": [base64.b64encode(p.get_payload(decode=True)).decode() for p in digest.get_payload()],
        "subjects": [str(p.get_payload()[0]["Subject"]) for p in opened],
    }


def plain(data):
    outer = email.message_from_bytes(data)
    assert outer.get_content_type() == "text/plain", outer.get_content_type()
    lines = text_of(outer).split("\n")
    assert lines.pop() == ""
    end = lines.index("-" * 70)
    assert lines[end - 1] == "" and lines[end + 1] == ""
    posts, at = [], end + 2
    while True:
        if re.fullmatch(r"End of .* Digest, Vol \d+, Issue \d+", lines[at]):
            assert lines[at + 1:] == ["*" * len(lines[at])], lines[at:]
            break
        stop = at
        while not (lines[stop] == "-" * 30 and lines[stop - 1] == "" and lines[stop + 1] == ""):
            stop += 1
        posts.append(burst(lines[at:stop - 1]))
        at = stop + 2
    return {"subject": outer["Subject"], "masthead": "\n".join(lines[:end]), "posts": posts}


def burst(lines):
    fields, at = [], 0
    while lines[at] != "":
        if lines[at][0] == " ":
            fields[-1][1] += " " + lines[at].strip()
        else:
            name, _, value = lines[at].partition(":")
            fields.append([name, value.strip()])
        at += 1
    body = [re.sub(r"^ ( *(-{27}|End of .*Digest))", r"\1", l) for l in lines[at + 1:]]
    return {"fields": fields, "text": "\n".join(body)}


with open(sys.argv[2], "rb") as f:
    json.dump({"mime": mime, "plain": plain}[sys.argv[1]](f.read()), sys.stdout)
