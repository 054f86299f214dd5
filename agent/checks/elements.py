"""The names of elements that browsers know, of HTML, SVG and MathML."""

from __future__ import annotations

ELEMENTS = frozenset(
    """
    a abbr acronym address animate animatemotion animatetransform annotation-xml applet area article aside audio
    b base basefont bdi bdo bgsound big blink blockquote body br button canvas caption center circle cite
    clippath code col colgroup command content data datalist dd defs del desc details dfn dialog dir div dl dt
    ellipse em embed fieldset feimage figcaption figure filter font footer foreignobject form frame frameset g
    h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe image img input ins isindex kbd keygen label legend li
    line link listing main map mark marker marquee mask math menu menuitem meta meter mglyph mi mn mo mrow ms
    mtext nav nobr noembed noframes noscript object ol optgroup option output p param path pattern picture
    plaintext polygon polyline portal pre progress q rb rect rp rt rtc ruby s samp script search section select
    selectedcontent semantics set shadow slot small source spacer span strike strong style sub summary sup svg
    switch symbol table tbody td template text textarea textpath tfoot th thead time title tr track tspan tt u
    ul use var video view wbr xmp
    """.split()  # noqa: SIM905  # a list of 160 strings is no easier to read
)
