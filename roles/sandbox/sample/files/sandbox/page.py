"""The start page."""

from html import escape

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --accent: #5b6ee1; }
* { box-sizing: border-box } body { margin: 0; font: 16px/1.5 system-ui, sans-serif }
main { max-width: 60rem; margin: 3rem auto; padding: 0 1.5rem }
h1 { font-size: 1.9rem; margin: 0 } h1 small { color: #888; font-weight: 400; font-size: 1rem }
p.lead { color: #888; margin: .3rem 0 2rem }
ul.checks { display: flex; flex-wrap: wrap; gap: .5rem; list-style: none; padding: 0 }
ul.checks li { border: 1px solid var(--line); border-radius: 99px; padding: .15rem .8rem; font-size: .9rem }
li::before { content: "\\25CF\\00A0" } li.ok::before { color: #2da44e } li.failed::before { color: #d1242f }
table { width: 100%; border-collapse: collapse; margin-top: 1rem } th { text-align: left; font-weight: 600 }
td, th { padding: .45rem .6rem; border-bottom: 1px solid var(--line) } td.state { color: var(--accent) }
pre { background: var(--soft); padding: 1rem; border-radius: .5rem; overflow-x: auto }
footer { margin-top: 2.5rem; color: #888; font-size: .9rem }
"""


def render(environment, report, projects, total, url):
    """HTML of the start page. `projects` is None while the database is away."""
    checks = "".join(
        f'<li class="{escape(check["status"])}" title="{escape(str(check["detail"]))}">{escape(name)}</li>'
        for name, check in report["checks"].items()
    )
    if projects is None:
        rows = '<tr><td colspan="4">The database does not answer just now.</td></tr>'
    elif projects:
        rows = "".join(
            f"<tr><td>{escape(project['name'])}</td><td class=state>{escape(project['state'])}</td>"
            f"<td>{escape(project['storage'])}</td><td>{escape(project['created_at'][:19])}</td></tr>"
            for project in projects
        )
    else:
        rows = '<tr><td colspan="4">None yet. Make one:</td></tr>'
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(environment['name'])} &middot; refarch sandbox</title><style>{STYLE}</style></head>
<body><main>
<h1>{escape(environment['name'])} <small>{escape(environment['architecture'])}</small></h1>
<p class="lead">A sample application on a reference architecture. {total} projects.</p>
<ul class="checks">{checks}</ul>
<table><thead><tr><th>Project</th><th>State</th><th>Storage</th><th>Created</th></tr></thead><tbody>{rows}</tbody></table>
<pre>curl -X POST {escape(url)}/api/projects -H "Authorization: Bearer $ROOT_TOKEN" -d '{{"name": "hello"}}'
git clone {escape(url)}/hello.git</pre>
<footer>Served by {escape(report['node'])}. The root token: <code>refarch secrets show root_token</code></footer>
</main></body></html>
"""
