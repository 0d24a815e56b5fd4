/** Two palettes of one design. Text has at least the contrast that WCAG AA asks for in both. */
export const styles = `
:root{color-scheme:light dark;--bg:#fbfbfa;--surface:#fff;--text:#1c2024;--quiet:#5d6570;--line:#dfe2e6;--link:#1d5fbf;--good:#17693f;--warn:#8a4b05;--bad:#b3161b;--info:#1d5fbf;--good-bg:#e4f4ea;--warn-bg:#fdf1dc;--bad-bg:#fdeaea;--info-bg:#e7effb;--quiet-bg:#eef0f2;--code:#f2f3f5}
@media (prefers-color-scheme:dark){:root{--bg:#131619;--surface:#1a1e22;--text:#e4e7ea;--quiet:#9aa4af;--line:#30363d;--link:#83b4f8;--good:#6fd39b;--warn:#f0b566;--bad:#ff938f;--info:#83b4f8;--good-bg:#16301f;--warn-bg:#362811;--bad-bg:#3b1c1d;--info-bg:#17273f;--quiet-bg:#272c32;--code:#22272c}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;-webkit-text-size-adjust:100%;overflow-wrap:anywhere}
header,main,footer{max-width:68rem;margin:0 auto;padding:0 1.25rem}
header{display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:center;justify-content:space-between;padding-top:1rem;font-size:.9rem;color:var(--quiet)}
header strong,header a.home{color:var(--text);font-weight:650;text-decoration:none}
footer{padding-top:1rem;padding-bottom:3rem;font-size:.9rem;color:var(--quiet)}
h1{font-size:1.75rem;line-height:1.25;font-weight:650;letter-spacing:-.012em;margin:.1rem 0 .4rem}
h2{font-size:1.2rem;font-weight:650;margin:2.75rem 0 .75rem;padding-top:.6rem;border-top:1px solid var(--line)}
h3{font-size:1rem;font-weight:600;margin:0 0 .25rem}
p,ul,ol,dl{margin:.25rem 0 .5rem}
ul,ol{padding-left:1.2rem}
a{color:var(--link)}
.quiet,.summary,.label,figcaption,summary{color:var(--quiet)}
.summary{font-weight:400;font-size:.95rem;margin-left:.35rem}
.label{margin:.5rem 0 0;font-size:.85rem}
code,pre{font:.875em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre.fix{margin:.25rem 0 .25rem;padding:.5rem .7rem;background:var(--code);border-radius:6px;white-space:pre-wrap;user-select:all;-webkit-user-select:all}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;background:var(--surface);padding:.4rem .7rem;z-index:1}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:3px}
.state{display:inline-block;white-space:nowrap;font-weight:600;font-size:.85rem;padding:.05rem .5rem;border-radius:1rem;background:var(--quiet-bg);color:var(--text)}
.state.good{background:var(--good-bg);color:var(--good)}
.state.warn{background:var(--warn-bg);color:var(--warn)}
.state.bad{background:var(--bad-bg);color:var(--bad)}
.state.info{background:var(--info-bg);color:var(--info)}
.verdict{margin:1rem 0 0;padding:1.1rem 1.3rem;border-radius:10px;background:var(--surface);border:1px solid var(--line);border-left:6px solid var(--quiet)}
.verdict.good{border-left-color:var(--good)}
.verdict.warn{border-left-color:var(--warn)}
.verdict.bad{border-left-color:var(--bad)}
.verdict ol{padding-left:1.3rem}
.verdict li{margin:.5rem 0}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;list-style:none;padding:0;margin:1rem 0 0;font-size:.95rem}
.finding{padding:.75rem 0 .75rem 1rem;border-left:3px solid var(--line);margin:0 0 1rem}
.finding.bad{border-left-color:var(--bad)}
.finding.warn{border-left-color:var(--warn)}
.finding.info{border-left-color:var(--info)}
.finding.good{border-left-color:var(--good)}
.finding p{max-width:48rem}
.value{font-size:1.1rem}
.beside{display:flex;flex-wrap:wrap;gap:.5rem 2rem;justify-content:space-between}
.beside>div{flex:1 1 24rem}
figure{margin:0;flex:0 0 auto}
figcaption{font-size:.85rem}
details{margin:.35rem 0}
summary{cursor:pointer;width:fit-content}
.notice{padding:.5rem .75rem;border-radius:6px;background:var(--quiet-bg)}
.notice.warn{background:var(--warn-bg)}
.notice.bad{background:var(--bad-bg)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,30rem),1fr));gap:1rem;align-items:start}
.card{background:var(--surface);border:1px solid var(--line);border-radius:10px;padding:1rem 1.1rem;min-width:0}
.card h3{display:flex;flex-wrap:wrap;gap:.25rem .5rem;justify-content:space-between}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;font-size:.95rem}
dt{color:var(--quiet)}
dd{margin:0;min-width:0}
dd ul{list-style:none;padding:0;margin:0}
.strip{display:flex;flex-wrap:wrap;gap:2px;list-style:none;padding:0;margin:.75rem 0 0}
.strip li>*{display:block;width:24px;height:24px;border-radius:4px;text-align:center;font-weight:700;font-size:.8rem;line-height:24px;text-decoration:none;background:var(--quiet-bg);color:var(--quiet);border:0 solid transparent;position:relative}
.strip .good{background:var(--good-bg);box-shadow:inset 0 -4px var(--good)}
.strip .warn{background:var(--warn-bg);color:var(--warn)}
.strip .bad{background:var(--bad);color:var(--bg)}
.strip .info{background:var(--info-bg);color:var(--info)}
.strip .dry{background:transparent;border:1px dashed var(--quiet);line-height:22px;box-shadow:none}
.strip .dry.bad{color:var(--bad)}
.legend .state{font-weight:400}
.wide{overflow-x:auto;margin:.25rem 0}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;vertical-align:top;padding:.4rem .9rem .4rem 0;border-bottom:1px solid var(--line)}
th,td{overflow-wrap:normal}
thead th{color:var(--quiet);font-weight:500;white-space:nowrap}
tbody th{font-weight:500;min-width:9rem}
th code{white-space:nowrap}
td{min-width:5rem}
.sentence{display:block;min-width:16rem}
.columns{columns:22rem;column-gap:2rem}
.columns li{break-inside:avoid;margin-bottom:.3rem}
svg{max-width:100%;height:auto;display:block}
.graph{max-width:none}
.timeline text{font-size:13px}
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--text)}
.line{fill:none;stroke:var(--info);stroke-width:1.5}
.area{fill:var(--info-bg)}
.dot{fill:var(--info)}
.attached{fill:var(--info);opacity:.55}
.retired{fill:none;stroke:var(--quiet);stroke-dasharray:3 2}
path.tick{stroke:var(--line)}
svg text.tick{fill:var(--quiet);text-anchor:middle}
path.now{stroke:var(--text);stroke-width:2}
path.horizon{stroke:var(--good);stroke-width:2;stroke-dasharray:4 2}
svg text.horizon{fill:var(--good)}
svg text.left{text-anchor:end}
.edge{fill:none;stroke:var(--quiet);stroke-width:1.2;opacity:.7}
.graph rect{fill:var(--surface);stroke:var(--line)}
.graph .good rect{stroke:var(--good)}
.graph .warn rect{fill:var(--warn-bg);stroke:var(--warn)}
.graph .bad rect{fill:var(--bad-bg);stroke:var(--bad);stroke-width:2}
.graph .table rect{fill:transparent;stroke-dasharray:3 3}
form{margin:.5rem 0}
form p{margin:.5rem 0}
label{display:block;font-weight:500}
input[type=text],input[type=password]{font:inherit;width:100%;max-width:30rem;padding:.4rem .6rem;border:1px solid var(--quiet);border-radius:6px;background:var(--surface);color:var(--text)}
button,.button{font:inherit;font-weight:550;display:inline-block;padding:.35rem .85rem;border-radius:6px;border:1px solid var(--quiet);background:var(--surface);color:var(--text);text-decoration:none;cursor:pointer}
button:hover,.button:hover{border-color:var(--text)}
button.act{background:var(--bad);border-color:var(--bad);color:var(--bg)}
button.link{border:0;background:none;color:var(--link);padding:0;text-decoration:underline;font-weight:400}
button:disabled{opacity:.6;cursor:default}
.actions{margin:.75rem 0 0}
header form{margin:0}
main.narrow{max-width:34rem;padding-top:1.5rem}
@media (max-width:40rem){h1{font-size:1.35rem}.verdict{padding:.9rem 1rem}dl{column-gap:.75rem}}
`;
