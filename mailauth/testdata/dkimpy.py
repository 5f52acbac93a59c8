# The other side of the tests: verifies and signs with dkimpy what comes as JSON on stdin, and answers so on stdout.
import base64, json, sys

try:
    import dkim, nacl
except ImportError:
    sys.exit(77)

job = json.load(sys.stdin)


def txt(name, timeout=5):
    if isinstance(name, bytes):
        name = name.decode()
    found = job["dns"].get(name.rstrip("."))
    return found.encode() if found is not None else None


def verify(message):
    out = []
    count = sum(1 for h, _ in dkim.DKIM(message).headers if h.lower() == b"dkim-signature")
    for i in range(count):
        try:
            out.append(bool(dkim.DKIM(message).verify(idx=i, dnsfunc=txt)))
        except Exception as e:
            print("verify:", repr(e), file=sys.stderr)
            out.append(False)
    return out


def sign(s):
    message = base64.b64decode(s["message"])
    head, body = s["canonical"].encode().split(b"/")
    field = dkim.DKIM(message, signature_algorithm=s["algorithm"].encode()).sign(
        s["selector"].encode(), s["domain"].encode(), s["key"].encode(), canonicalize=(head, body))
    return base64.b64encode(field + message).decode()


json.dump({
    "verified": [verify(base64.b64decode(m)) for m in job["verify"] or []],
    "signed": [sign(s) for s in job["sign"] or []],
}, sys.stdout)
