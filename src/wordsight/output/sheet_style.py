"""Page and style of HTML contact sheets; they follow the reader's light or dark setting."""

UNLIKELY = "probably not"  # heading of the results that are not likely, here and in terminals

STYLE = """
:root { color-scheme: light dark; --page: #f2f3f5; --tile: #fff; --ground: #e7e9ed; --text: #1d2127;
  --faint: #5c6470; --bar: #2f6fde; --bar2: #9db7e8; --track: #e4e8ef }
@media (prefers-color-scheme: dark) { :root { --page: #14171b; --tile: #1f242b; --ground: #2a3038; --text: #eceff3;
  --faint: #a3acb8; --bar: #6ea0ff; --bar2: #45618f; --track: #313843 } }
body { margin: 0 auto; max-width: 1360px; padding: 24px; background: var(--page); color: var(--text);
  font: 16px/1.35 system-ui, sans-serif }
h1 { margin: 0; font-size: 1.6rem; overflow-wrap: anywhere } h2 { margin: 1.6rem 0 .6rem; font-size: 1.1rem }
header p { margin: .3rem 0 1.4rem; color: var(--faint) } .asked { display: flex; gap: 10px; margin-bottom: 18px }
.asked img { width: auto; height: 120px; border-radius: 8px } a { color: inherit }
figcaption p { margin: 0 0 4px; font-size: .9rem; color: var(--faint); overflow-wrap: anywhere }
main { display: grid; align-items: start; gap: 18px; grid-template-columns: repeat(auto-fill, minmax(250px, 1fr)) }
figure { margin: 0; overflow: hidden; border-radius: 10px; background: var(--tile) }
img { display: block; width: 100%; height: 220px; object-fit: contain; background: var(--ground) }
figcaption { padding: 10px 14px 12px } ol { list-style: none; margin: 0; padding: 0 }
li { display: grid; grid-template-columns: 1fr auto; gap: 2px 12px; margin-bottom: 8px; color: var(--faint) }
li:first-child { color: var(--text); font-weight: 600; font-size: 1.1rem }
li div { grid-column: 1 / 3; height: 6px; border-radius: 3px; background: var(--track) }
li i { display: block; height: 100%; border-radius: 3px; background: var(--bar2) }
li:first-child i { background: var(--bar) } span { overflow-wrap: anywhere }
small { color: var(--faint); overflow-wrap: anywhere }
h3 { margin: 0 0 6px; font-size: 1.05rem; overflow-wrap: anywhere } h3 a { text-decoration: none }
mark { background: #ffe48a; color: #1d2127; border-radius: 2px } .unlikely { color: var(--faint);
  border-top: 1px solid var(--track); padding-top: .8rem }
blockquote { margin: 0 0 8px; padding-left: 10px; border-left: 3px solid var(--track); font-size: .9rem;
  overflow-wrap: anywhere }
main:has(.page) { grid-template-columns: repeat(auto-fill, minmax(420px, 1fr)) } .page img { height: 560px }
@media (max-width: 480px) { main:has(.page) { grid-template-columns: 1fr } .page img { height: auto } }
"""

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{style}</style></head>
<body><header><h1>{title}</h1><p>{subtitle}</p>{asked}</header>
{body}
</body></html>
"""
