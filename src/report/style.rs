//! How the page looks: light, dark, and on paper.

/// The page's style sheet.
pub(super) const STYLE: &str = "
:root{color-scheme:light dark;--paper:#fff;--card:#f6f8fa;--line:#d5dce3;--text:#1d2733;--soft:#5a6876;--good:#1a7f4b;
--bad:#c62f3b;--warn:#9a6700;--fault:#c62f3b1f;--write:#2563c9;--read:#0f8a8a;--job:#a855c7;--push:#c2620e;--clone:#6b7480}
@media(prefers-color-scheme:dark){:root{--paper:#11161c;--card:#1a222b;--line:#34404c;--text:#e6ebf0;--soft:#9aa8b6;
--good:#4ac184;--bad:#ff7b83;--warn:#e3b341;--fault:#ff7b8324;--write:#6ea8ff;--read:#4fd0d0;--job:#d59bee;--push:#f0a45c;--clone:#a3adb8}}
*{box-sizing:border-box}body{margin:0 auto;padding:28px 24px 60px;max-width:1120px;background:var(--paper);color:var(--text);
font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
h1{font-size:28px;margin:0 0 2px}h2{font-size:20px;margin:38px 0 12px;padding-bottom:5px;border-bottom:1px solid var(--line)}
h3{font-size:15.5px;margin:0}p{margin:4px 0}body>p:last-child{margin-top:38px}p,li,b,i{overflow-wrap:anywhere}
.soft{color:var(--soft)}code{font:13px ui-monospace,'DejaVu Sans Mono',monospace}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(160px,1fr));gap:12px;margin:18px 0 0}
.tile{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 14px}
.tile b{display:block;font-size:22px;line-height:1.25}.tile span{color:var(--soft);font-size:13px}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
table{border-collapse:collapse;width:100%;font-size:14px}th,td{text-align:left;padding:5px 10px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:600;font-size:12.5px}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.pill{display:inline-block;padding:0 9px;border-radius:10px;border:1px solid currentColor;font-size:12.5px;font-weight:600;white-space:nowrap}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:14px 16px;margin:14px 0;break-inside:avoid}
.card .head{display:flex;gap:12px;align-items:baseline;flex-wrap:wrap}.card ul{margin:6px 0;padding-left:20px}
.groups{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(270px,100%),1fr));gap:12px}
.group{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:9px 12px;break-inside:avoid}
.node{position:relative;padding-left:16px;font-size:13.5px}.node b{font-weight:400}.node i{color:var(--soft);font-style:normal;font-size:12.5px}
.dot{position:absolute;left:0;top:5.5px;width:9px;height:9px;border-radius:50%;background:var(--soft)}.dot.good{background:var(--good)}
.dot.bad{background:var(--bad);border-radius:1px}.dot.absent{background:none;border:1.5px solid var(--soft)}
svg{display:block;width:100%;height:auto}svg text{fill:var(--soft);font-size:11px}svg .axis{stroke:var(--line);stroke-width:1}
svg .fault{fill:var(--fault)}svg .failed{fill:var(--bad)}svg .ok{fill:var(--write)}svg .notok{fill:var(--bad)}
svg polyline{fill:none;stroke-width:1.6;stroke-linejoin:round}svg .name{fill:var(--text)}
.legend{display:flex;gap:16px;flex-wrap:wrap;font-size:12.5px;color:var(--soft);margin-top:4px}.legend b{display:inline-block;width:14px;height:3px;margin-right:5px;vertical-align:middle}
.legend b.box{height:10px;background:var(--fault);border:1px solid var(--line)}.legend b.tick{width:4px;height:10px;background:var(--bad)}
details{margin:8px 0}summary{cursor:pointer;color:var(--soft)}.wide{overflow-x:auto}
.picture{border:1px solid var(--line);border-radius:8px;text-align:center}.picture img{display:block;margin:0 auto;zoom:.8}
@media screen and (min-width:1180px){.picture{margin:0 calc(50% - 50vw + 32px)}}
@media screen and (max-width:900px){.wide svg{width:860px}.wide td{white-space:nowrap}}
@media(max-width:640px){body{padding:18px 12px}}
@media print{:root{color-scheme:light;--paper:#fff;--card:#fff;--line:#c5ccd3;--text:#000;--soft:#444;--good:#14663c;--bad:#b3202c;--warn:#7a5200;
--fault:#b3202c1a;--write:#1b4fa3;--read:#0b6b6b;--job:#8436a5;--push:#9a4c08;--clone:#555}
.wide{overflow:visible}.picture img{zoom:1;max-width:100%}th.n{white-space:normal}summary{list-style:none;break-after:avoid}.picture{break-inside:avoid}
details::details-content{content-visibility:visible}.dot,.legend b{-webkit-print-color-adjust:exact;print-color-adjust:exact}
body{max-width:none;padding:0;font-size:10pt}table,.card ul{font-size:8.5pt}th,td{padding:3px 8px 3px 0}.tile b{font-size:14pt}h2{break-after:avoid}tr{break-inside:avoid}a{color:inherit}}
";
