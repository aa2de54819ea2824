"""The table and the plot."""

import statistics

PHASES = ["first", "again", "check"]


def median(figures, field):
    return statistics.median(getattr(one, field) for one in figures) if figures else None


def table(results):
    """Markdown. `results`: tool -> phase -> figures of its runs."""
    limit = median(results["limit"]["again"], "seconds")
    cpu = median(results["limit"]["again"], "controller") + median(results["limit"]["again"], "hosts")
    lines = [
        "| tool | runs | first run | again, nothing to do | check mode | again / limit | CPU again: controller + hosts "
        "| CPU / limit | first, kB sent and received | again, kB | memory |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for tool, phases in results.items():
        def seconds(phase):
            value = median(phases[phase], "seconds")
            return "–" if value is None else f"{value:.2f} s"

        again = phases["again"]
        own = median(again, "controller"), median(again, "hosts")
        memory = max(one.megabytes for phase in PHASES for one in phases[phase])
        lines.append(
            f"| {tool} | {len(again)} | {seconds('first')} | {seconds('again')} | {seconds('check')} "
            f"| {median(again, 'seconds') / limit:.2f} | {own[0]:.2f} + {own[1]:.2f} s | {sum(own) / cpu:.2f} "
            f"| {median(phases['first'], 'kilobytes') or 0:.0f} | {median(again, 'kilobytes'):.0f} | {memory:.0f} MB |")
    return "\n".join(lines) + "\n"


def goals(results, hosts):
    """Markdown: what the issue asks for, and what was measured."""
    def seconds(tool, phase):
        return median(results.get(tool, {}).get(phase, []), "seconds")

    def ratio(over, under):
        return over / under if over and under else None

    again, warm = seconds("refarch", "again"), seconds("refarch, warm", "again")
    rows = [
        ("nothing to do, times the limit", ratio(again, seconds("limit", "again")), "at most", 1.3),
        ("nothing to do, warm, times the warm limit", ratio(warm, seconds("limit, warm", "again")), "at most", 1.5),
        ("first run, times the limit", ratio(seconds("refarch", "first"), seconds("limit", "first")), "at most", 1.3),
        ("check mode, times the run with nothing to do", ratio(seconds("refarch", "check"), again), "at most", 1.0),
    ]
    for peer, cold, hot in [("pyinfra", 7, 25), ("ansible + mitogen", 12, 45), ("ansible, tuned", 60, 200)]:
        theirs = seconds(peer, "again")
        rows.append((f"nothing to do, times faster than {peer}", ratio(theirs, again), "at least", cold))
        rows.append((f"the same, warm against {peer}", ratio(theirs, warm), "at least", hot))
        if peer == "pyinfra":
            rows.append(("the same, with pyinfra's key exchange", ratio(theirs, seconds("refarch, curve25519", "again")), "at least", cold))
    memory = [one.megabytes for tool, phases in results.items() if tool.startswith("refarch") for runs in phases.values() for one in runs]
    if memory:
        rows.append(("controller's memory in MB", max(memory), "at most", 40 + hosts))
    lines = ["| goal | measured | asked for | |", "|---|---|---|---|"]
    for what, value, word, aim in rows:
        if value is not None:
            met = value <= aim if word == "at most" else value >= aim
            lines.append(f"| {what} | {value:.2f} | {word} {aim} | {'met' if met else 'missed'} |")
    return "\n".join(lines) + "\n"


STYLE = (
    "svg{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}.paper{fill:#fff}"
    ".title{font-size:16px;font-weight:600}.title,.name,.value{fill:#1d2733}.name,.value,.tick{font-size:12px}"
    ".tick{fill:#5d6b7a;text-anchor:middle}.grid{stroke:#e3e8ed}.first{fill:#8db5e2}.again{fill:#c2410c}.check{fill:#8cc5a2}"
    "@media(prefers-color-scheme:dark){.paper{fill:#12171d}.title,.name,.value{fill:#e6ebf0}.tick{fill:#98a6b4}"
    ".grid{stroke:#28323c}.first{fill:#3d6da3}.again{fill:#fb923c}.check{fill:#33734f}}"
)


def plot(results, title):
    """Bars on a logarithmic scale, SVG."""
    import math

    values = [median(phases[phase], "seconds") for phases in results.values() for phase in PHASES if phases[phase]]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    left, width, top, row = 150, 640, 66, 54

    def x(value):
        return left + width * (math.log10(value) - low) / (high - low)

    bottom = top + row * len(results)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 90} {bottom + 34}" '
           f'width="{left + width + 90}" height="{bottom + 34}" role="img"><title>{title}</title><style>{STYLE}</style>'
           f'<rect class="paper" width="100%" height="100%"/><text class="title" x="16" y="26">{title}</text>']
    for index, (phase, words) in enumerate(zip(PHASES, ["first run", "again, nothing to do", "check mode"])):
        at = 16 + index * 170
        out.append(f'<rect class="{phase}" x="{at}" y="38" width="12" height="12"/><text class="name" x="{at + 18}" y="48">{words}</text>')
    for power in range(low, high + 1):
        at = x(10**power)
        out.append(f'<path class="grid" d="M{at:.1f} {top}V{bottom}"/><text class="tick" x="{at:.1f}" y="{bottom + 18}">{10**power:g} s</text>')
    for number, (tool, phases) in enumerate(results.items()):
        y = top + row * number
        out.append(f'<text class="name" x="16" y="{y + 30}">{tool}</text>')
        for index, phase in enumerate(PHASES):
            value = median(phases[phase], "seconds")
            if value is not None:
                at = y + 4 + index * 15
                out.append(f'<rect class="{phase}" x="{left}" y="{at}" width="{max(1, x(value) - left):.1f}" height="12"/>'
                           f'<text class="value" x="{x(value) + 6:.1f}" y="{at + 10}">{value:.2f} s</text>')
    return "\n".join(out) + "\n</svg>\n"
