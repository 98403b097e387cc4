"""The look of the sandbox's pages. Deliberately not Kovra's: one should see at a glance that this is the other side."""

STYLE = """
:root{color-scheme:light dark;--bg:light-dark(#eceef3,#1b1d23);--card:light-dark(#fff,#262932);
--line:light-dark(#d9dce5,#383c48);--text:light-dark(#1f2430,#e9ebf2);--dim:light-dark(#596174,#a2a9ba);
--go:light-dark(#4653c4,#8d9bff);--on-go:light-dark(#fff,#14162b);--hover:light-dark(#f3f4f9,#2e323d)}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:24px 12px;background:var(--bg);color:var(--text);
font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{width:100%;max-width:520px;background:var(--card);border:1px solid var(--line);border-radius:12px;padding:28px;
box-shadow:0 12px 40px -20px #0008}
main.wide{max-width:1180px;padding:0;overflow:hidden}
header{text-align:center;margin-bottom:20px}h1{font-size:20px;font-weight:500;margin:10px 0 4px}
h2{font-size:13px;color:var(--dim);font-weight:600;margin:18px 0 6px}
p{margin:0}header p,.dim,small,.can{color:var(--dim)}.dim{text-align:center;font-size:13px;margin-top:12px}
small{font-size:12px}.bad{color:light-dark(#a3262c,#ff8d90)}
fieldset{border:1px solid var(--line);border-radius:10px;padding:0;margin:0;overflow:hidden}
legend{font-size:13px;font-weight:600;color:var(--dim);margin-left:10px;padding:0 6px}
.person{display:flex;align-items:center;gap:12px;padding:10px 14px;cursor:pointer;border-top:1px solid var(--line)}
.person:first-of-type{border-top:0}.person:hover{background:var(--hover)}
.person:has(:checked){background:color-mix(in srgb,var(--go) 12%,transparent)}
.person:has(:focus-visible){outline:2px solid var(--go);outline-offset:-2px}
input[type=radio]{accent-color:var(--go);width:16px;height:16px;margin:0;flex:none}
.avatar{width:34px;height:34px;border-radius:50%;display:grid;place-items:center;font-weight:600;color:#fff;
background:#5568a8;flex:none}.avatar.big{width:56px;height:56px;font-size:24px;margin:0 auto;background:#2f8f80}
.a0{background:#4a72b4}.a1{background:#6b7488}.a2{background:#4d8a55}.a3{background:#a8682a}.a4{background:#a84a5f}
.a5{background:#93588d}.who{flex:1;min-width:0}.can{display:block;font-size:13px}
.rank{font-size:12px;border:1px solid var(--line);border-radius:99px;padding:2px 9px;white-space:nowrap}
.other{display:block;margin-top:14px;font-size:13px;color:var(--dim)}
select,input[type=text],textarea{width:100%;margin-top:4px;padding:8px;border-radius:8px;border:1px solid var(--line);
background:var(--bg);color:var(--text);font:inherit}
.wants{margin:16px 0;font-size:14px}.wants ul,ul.plain{margin:4px 0 0;padding-left:18px;color:var(--dim)}
footer{display:flex;gap:10px;justify-content:flex-end}
button{font:inherit;font-weight:600;border:0;border-radius:8px;padding:10px 20px;cursor:pointer}
.go{background:var(--go);color:var(--on-go)}.quiet{background:transparent;color:var(--text)}
button:hover{filter:brightness(1.08)}button:focus-visible{outline:2px solid var(--go);outline-offset:2px}
"""
