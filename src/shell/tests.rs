//! Scripts, and what they write, beside what a real shell says of them.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::process::Command;

use proptest::prelude::*;

use super::*;

/// A world of files and of a few commands; `mystery` has no model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Little {
    files: BTreeMap<RootPath, String>,
    calls: Vec<Vec<String>>,
}

impl World for Little {
    fn node(&self, path: &RootPath) -> Option<Node> {
        if let Some(text) = self.files.get(path) {
            return Some(Node::File { mode: 0o644, size: Some(text.len() as u64) });
        }
        let is_directory = path.is_root()
            || ["/etc", "/out"].contains(&path.as_str())
            || self.files.keys().any(|file| file.is_within(path));
        is_directory.then_some(Node::Directory)
    }

    fn bits(&self, _: &RootPath) -> u32 {
        0o755
    }

    fn list(&self, directory: &RootPath) -> Vec<String> {
        let inside = self.files.keys().filter(|path| path.parent().as_ref() == Some(directory));
        inside.map(|path| path.file_name().to_owned()).collect()
    }

    fn read(&mut self, path: &RootPath) -> Option<String> {
        self.files.get(path).cloned()
    }

    fn write(&mut self, path: &RootPath, content: &str, append: bool, _: u32) -> Result<(), String> {
        let file = self.files.entry(path.clone()).or_default();
        if !append {
            file.clear();
        }
        file.push_str(content);
        Ok(())
    }

    fn source(&mut self, path: &RootPath) -> Source {
        self.files.get(path).map_or(Source::Missing, |text| Source::Script(text.clone()))
    }

    fn command(&self, name: &str) -> Option<Option<RootPath>> {
        Some((name == "cat").then(|| RootPath::parse("/bin/cat").unwrap()))
    }

    fn run(&mut self, call: &Call) -> Reply {
        match call.argv[0].as_str() {
            "cat" => Reply::output(call.stdin.clone()),
            "do" | "note" => {
                self.calls.push(call.argv.clone());
                Reply::status(0)
            }
            _ => Reply::Unknown("there is no model".to_owned()),
        }
    }

    fn owns(&self, _: &RootPath, _: bool) -> Option<bool> {
        Some(true)
    }

    fn is_like(&self, other: &Self) -> bool {
        self == other
    }

    fn join(&mut self, _: &Self) {}
}

/// A script as dpkg calls it.
fn script<'a>(text: &'a str, arguments: &'a [&'a str]) -> Script<'a> {
    let (environment, directory) = (BTreeMap::new(), RootPath::root());
    Script { name: "script", text, arguments, environment, directory, umask: 0o022 }
}

/// Evaluates a script that writes to `/out/log`: what it wrote, its status, and its findings.
fn evaluated(text: &str) -> (String, Option<i32>, Vec<Finding>, Little) {
    let mut world = Little::default();
    let text = format!("exec > /out/log\n{text}");
    let called = script(&text, &["configure", ""]);
    let ended = evaluate(&called, &mut world).unwrap_or_else(|error| panic!("{text}: {error}"));
    let log = world.files.get(&RootPath::parse("/out/log").unwrap()).cloned().unwrap_or_default();
    (log, ended.status, ended.findings, world)
}

/// The scripts that a real shell is asked about too.
const SCRIPTS: &[&str] = &[
    "echo \"$1\" \"$#\" \"[$2]\" '$1' \\$1",
    "x='a  b'; echo $x; echo \"$x\"; set -- $x; echo $#",
    "for i in 1 2 3; do test $i = 2 && continue; echo $i; done",
    "i=0; while [ $i -lt 5 ]; do i=$((i + 1)); [ $i -eq 3 ] && break; echo $i; done; echo end $i",
    "f() { local x=inner; echo $x $1; return 3; }; x=outer; f arg; echo $? $x",
    "case abc in a*c) echo yes;; *) echo no;; esac; case x in y|x) echo two;; esac",
    "x=/usr/lib/libfoo.so.1; echo ${x##*/} ${x%/*} ${x%%.*} ${x#/usr} ${#x}",
    "l=; i=0; while [ $i -lt 300 ]; do l=$l,word-$i; i=$((i + 1)); done; n=0; l=${l#,},; while [ \"$l\" ]; do h=${l%%,*}; l=${l#*,}; n=$((n + ${#h})); done; echo $n $h",
    "x='aXbXc*'; echo ${x#?} ${x##?} ${x%?X??} ${x%%??} ${x#X} ${x#aX} ${x%c*} ${x%%X*} ${x%'*'} ${x#[a-c]} ${x%[!*]} ${x#} ${x#????????}",
    "echo ${unset:-default} ${unset-d} ${empty:=set} $empty ${empty:+other}",
    "printf '%s-%s\\n' a b c; printf '%03d %x|%-5s|\\n' 7 255 ab",
    "printf '%05d|%.3d|%+d|% d|%-5d|%+05d|%5.2d|%#o|%#x|%u\\n' -5 7 7 7 -7 7 -7 8 255 7",
    "printf '%*d|%-*d|%.*s|%5.1s|%%|%c\\n' 4 7 4 7 2 abc xyz word; printf '%*s|\\n' -4 a",
    "[ 010 -eq 10 ] && [ 08 -eq 8 ] && [ -3 -lt +2 ] && [ ' 7 ' -ge 7 ] && echo decimal; [ $((010)) -eq 8 ] && echo octal",
    "set -e; false || echo caught; if false; then echo no; else echo else; fi; (exit 4) || echo $?",
    "set -e; echo before; false; echo after",
    "set -e; f() { false; echo inside; }; f || echo no; x=$(echo sub; exit 3) || echo status $?",
    "trap 'echo trapped' EXIT; echo body; exit 5",
    "printf 'a b c\\nd e\\n' | while read x y; do echo \"$y/$x\"; done",
    "IFS=:; x=a:b::c; for p in $x; do echo \"<$p>\"; done",
    "cat <<EOF\nvalue ${1} $(echo sub) \\$x\nEOF\ncat <<'EOF'\n$1\nEOF",
    "cat <<-EOF\n\tindented\n\tEOF",
    "t=/out/t; x=a; cat << EOF > \"${t}\"\nhello ${x}\nEOF\ncat < $t; cat <<EOF | while read -r l; do echo \"${x}b$l\"; done\nab <<EOF ${x}\nEOF\necho end",
    "t=/out/t; cat <<-'EOF' > $(echo $t)\n\t${x}\n\tEOF\ncat < ${t}; cat <<A <<B >> ${t-}\na\nA\nb\nB\ncat < $t",
    "#cat <<EOF > /out/old\n#EOF\nx=/out/t\ncat <<EOF > \"${x}\"\nhello\nEOF\ncat < $x; echo end",
    "cat <<EOF > \"${y:-/out/t}\" 2>&1 && cat < /out/t; cat <<A | cat - # <<B ${x}\n$1 \"it's\"\nEOF\na `echo b` $(echo \"c)\")\nA\necho end",
    "cat <<EOF \\\n> /out/t\n$(cat <<'A'\n$1 'x'\nA\n)\nEOF\ncat < /out/t",
    "echo \"usage: x <<EOF ${Y:-none}\"\ncat <<'END-OF-TOOL'\nz \"${x}\" <<EOF\nEOF\nEND-OF-TOOL\ncat <<\\E \"-\"\n$x\nE",
    "x=$(case a in (a) cat <<E;; esac\none $1\nE\n); echo \"$x $(cat <<E\ntwo \"$1\"\nE\n)\" `cat <<E\nthree\nE` \"`cat <<E\nfour\nE\n`\"",
    "if cat <<E; then echo $((1<<2)); fi\nE\nwhile read -r l; do echo \"[$l]\"; done <<E\na\\\nb\n\\$c\nE\n: <<E\nno end",
    "v='\"q\"'; v=\"${v#'\"'}\"; v=\"${v%'\"'}\"; echo \"$v\"; cat <<E\nit's $v\nE\necho \"${y:-it's} ${y-'q'}\" \"${y:-'a b'}\" ${y-'\"'}",
    "echo a \\\n# it's b\ncat <<E\nit's\nE\nif echo a; then # it's\ncat <<E; fi #it's\nit's\nE",
    "x=1\r\ncat <<E\r\nhi\r\nE\r\necho end",
    "case_of() { echo \"of $1\"; }; x=\"$(case_of case)\"; x=\"$x$(echo then case)\"; cat <<E\nit's $x $(case case in case) echo x;; esac)\nE\necho end",
    "cat <<\\\nE; cat <\\\n<-\\\nA\\\nB\nx $1\nE\n\tit's\n\tAB\ncat <<\"A\\\"B\"\n$1\nA\"B\necho end",
    "cat <<E $(true\n) | cat; cat <<E - \"$(echo x |\ncat <<F\ny\nF\n)\" | cat\na\nE\nb\nE\necho end",
    "cat <<E\n'${y:-'z'}' ${y-it's} ${y-\"it's\"} ${y-a\\\\b\\}c\\-\\\"d} ${1#'con'} \"${1%\"ure\"}\" $(cat <<F\n'${y-'$1'}'\nF\n)\nE\necho end",
    "cat <<E\n$(echo a\necho E\n) `echo b\necho E\n`\nE\ncat <<'E'\n$(\nE\necho end",
    "echo ${y:-<<E} \"${y:-a <<'E' b}\"; ( (echo $((1<<1))) ); (case a in a) (cat <<E);; esac ); (case a in (esac) ;; *) echo 2;; esac)\n\\\nE\necho \"$(echo a  # it's (\n)\"\necho end",
    "x=1; (x=2; echo $x); echo $x; { x=3; }; echo $x",
    "echo $((1 + 2 * 3)) $((7 / 2)) $(( (1 << 4) | 1 )) $((010)) $((0x1f))",
    "set -- -a value -b rest; while getopts a:b o; do echo $o $OPTARG; done; shift $((OPTIND - 1)); echo $1",
    "[ -z \"\" -a -n x ] && echo and; [ ! -e /nonexistent ] && echo not; [ a = b -o c = c ] && echo or",
    "eval 'y=5; echo $y'; x=y; eval \"echo \\$$x\"",
    "for a; do echo \"arg:$a\"; done; echo \"$*\" | cat",
    "x=`echo back \\`echo nested\\``; echo $x",
    "f() { for a in \"$@\"; do echo \"<$a>\"; done; }; f 'a b' '' c; f; f \"$@\"",
    "until [ \"$n\" = xxx ]; do n=x$n; done; echo $n",
    "echo one && false && echo two || echo three; ! false && echo four",
    "unset x; x=${x-}; echo \"[$x]\"; readonly r=1; export e=2; echo $r$e",
    "echo a > /out/f; echo b >> /out/f; cat < /out/f; read l < /out/f; echo $l",
    "if [ \"$1\" = configure ] && [ -z \"$2\" ]; then echo fresh; fi",
    "while :; do while :; do break 2; done; done; echo out",
    "alias say='echo said'\nsay hello 'a  b'; alias echo='echo again'\necho x; unalias say echo\necho y",
    "shift; echo $#; shift 5; echo unreached",
    "IFS=, read a b <<E\n1,2\nE\necho $a/$b; x=1; x=2 y=3 true; echo $x${y-}; IFS=:; echo \"$IFS\"",
    "printf 'a:b:c\\nd:e:f\\n' | while IFS=: read -r x y z; do echo $z$y$x; done; echo \"[$IFS]\"",
    "f() { set -- $v; w=$v; }; v=old; v=new f; echo $v $w; PATH=$PATH export e=3; echo $e",
    "readonly r=1; (r=2; echo no) 2>/dev/null; echo $r $?; x='é ü'; echo ${#x}; HOME=/h; echo ~/q ~ ~root ~root/x",
    "f() { printf '<%s>' $# \"$@\"; echo; }; y=s; f ${x:-a b} ${y:+-g $y} ${x:-\"a b\" c} \"${x:-a b}\" ${x:-a\\ b c} p${x:- b }q ${x:-'a b' \"c $y\"d e}",
    "f() { printf '<%s>' $# \"$@\"; echo; }; f ${y+} ${x-\"\"} ${x:-${z:-a b} c} \"${x:-\"a b\"}\" p${x- $1 }q; z=${x:-a b}; f \"$z\"; for d in ${x:-/a /b}; do echo $d; done; case ${x:-a b} in 'a b') echo one;; esac",
    ": > /out/g1; : > /out/g2; for d in ${x:-/out/g? '/out/g?' /out/none*}; do echo ${d##*/}; done; IFS=; set -- ${x:-a b}; echo $#; IFS=ab; set -- ${x:-1a2b3} 1a2; echo $#",
    "f() { printf '<%s>' $# \"$@\"; echo; }; IFS=:; for l in :x:/etc/q a::b a: a:: : :: :a ''; do f $l; done; a=x: b=:y; f $a$b p$a$b \"\"$b $b\"\" $a\"\"",
    "f() { printf '<%s>' $# \"$@\"; echo; }; IFS=': '; for l in ' :x : y' 'a : : b' ' a  b ' 'a :' ' : ' '  ' 'a: :b' ': a' 'a b:c d'; do f $l; done; a='x ' b=:y; f $a$b p$b",
    "for i in ; do echo no; done; for i in; do echo no; done; for i in # a b\ndo echo no; done; for i in $none; do echo no; done; for i in\\\n\ndo echo no; done",
    "for i do echo 1$i; done; for i; do echo 2$i; done; for i\ndo echo 3$i; done; for i\nin a; do echo 4$i; done; for in in in; do echo $in; done; for in; do echo $in; done",
    "x=$(for i in ; do echo no; done; for i do echo $i; done); echo \"$x\" `for i in ; do echo no; done`; eval 'for i in ; do echo no; done'; echo for i in ; echo end",
    "HOME=/h; a=~:b; b=a:~/b:~root/x:~; c=x~; d=\"a:~/b\"; e=a:'~'/b; f=a:\"x\":~/y; echo $a $b $c $d $e $f a:~/b; g=${n:-a:~/b}; echo $g ${n:-~/b c} ${n:-x:~} ~:~; h=$n:~; echo $h",
    "set -C; echo a > /out/n; (echo b > /out/n) 2>/dev/null; echo $?; cat < /out/n; echo c >| /out/n; echo d >> /out/n; echo e > /dev/null && cat < /out/n; set +o noclobber; echo g > /out/n; cat < /out/n",
    "printf 'a\\\\ b c\\nd\\\\\\ne f\\n' | while read x y; do echo \"<$x><$y>\"; done; printf 'a\\\\' | { read x; echo $? $x; }; printf 'a\\\\ b c\\n' | { read -r x y; echo \"<$x><$y>\"; }",
    "printf '%s\\n' 1:2: 1:2:3: :1:2 1::2 '1: 2 :' ' a : b ' 1:2:: ' a\\ ' '\\:1:2' '1:2\\:' > /out/r; while IFS=: read x y; do echo \"<$x><$y>\"; done < /out/r; while IFS=': ' read x y; do echo \"<$x><$y>\"; done < /out/r",
    "while read x; do echo \"<$x>\"; done < /dev/null; printf ' a b \\n\\n a\\\\\\\\ b\\n' | while read x; do echo \"<$x>\"; done; printf 'a b' | { read x y z; echo \"$?<$x><$y><$z>\"; }",
    "command -v none; echo $?; type none > /dev/null; echo $?; hash none 2>/dev/null; echo $?; command -v ./none; echo $?",
    "mkdir_() { :; }; cd /; cd /out; cd / && cd - > /dev/null; cd ../out/./; cd ..; cd -- /; pwd; cd /nonexistent 2>/dev/null || pwd; x=$(cd - && cd -); echo \"${x##*/}\"",
    "echo $((9223372036854775807 - 1)) $((0x7fffffffffffffff)) $((1 - -1)) $((- 3 + ~1)); echo {a,b} x{1..3}",
];

#[test]
fn scripts_do_what_a_real_shell_does() {
    let directory = tempfile::tempdir().unwrap();
    for script in SCRIPTS {
        let (log, status, findings, _) = evaluated(script);
        assert_eq!(findings, [], "{script}");
        let out = directory.path().to_str().unwrap();
        let real = Command::new("sh")
            .args(["-c", &script.replace("/out", out), "script", "configure", ""])
            .output()
            .unwrap();
        // dash gives up where `shift` has too few; bash goes on.
        if !script.contains("unreached") {
            assert_eq!(log, String::from_utf8_lossy(&real.stdout), "{script}");
            assert_eq!(status, real.status.code(), "{script}");
        }
    }
}

#[test]
fn what_bash_alone_has_is_as_there() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("script");
    for line in [
        "echo {a,b} x{1..3} {3..1} {a..e..2} {01,2}y{p,q{r,s}} '{a,b}' \"{c,d}\" {e} {f..} ${1}{g,h} a{,b}c",
        "set -euo pipefail; x=$(false | true) || echo $? $1; if (exit 3) | (exit 4) | true; then echo no; fi; true | true && echo ok",
        "set -o pipefail; (exit 3) | (exit 4) | true; echo $?; (exit 3) | true; echo $?; set +o pipefail; (exit 3) | true; echo $?; command -v none; echo $?",
        "x=aXbXc; echo ${x/X/-} ${x//X/-} ${x/#a/-} ${x/%c/-} ${x//X*/-} ${x//[bX]/} ${x/q/-} ${x//?/.} ${x//X} ${x/#X/-} ${x/%b/-} ${x//??/-}",
        "for i in {a,b}{1,2}; do echo $i; done; x={a,b}; echo $x; echo /{usr/{lib,bin},etc}/x",
    ] {
        let text = format!("#!/bin/bash\n{line}\n");
        let mut world = Little::default();
        let logged = format!("#!/bin/bash\nexec > /out/log\n{line}\n");
        let called = script(&logged, &["configure"]);
        assert_eq!(evaluate(&called, &mut world).unwrap().findings, [], "{line}");
        std::fs::write(&file, text).unwrap();
        let real = Command::new("bash").arg(&file).arg("configure").output().unwrap();
        let log = &world.files[&RootPath::parse("/out/log").unwrap()];
        assert_eq!(*log, String::from_utf8_lossy(&real.stdout), "{line}");
    }
}

#[test]
fn what_is_unknown_taints_and_is_told_once() {
    let (_, status, findings, world) =
        evaluated("x=$(mystery arg)\nif [ \"$x\" = yes ]; then note $x; fi\nnote after\n");
    assert_eq!(status, Some(0));
    let lines: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
    assert_eq!(lines, [2, 3]);
    assert_eq!(findings[0].command, "mystery arg");
    assert_eq!(world.calls, [["note", "after"]]);
}

#[test]
fn ways_that_come_to_the_same_are_no_finding() {
    let (_, _, findings, world) =
        evaluated("mystery && echo > /dev/null\nif mystery; then :; else :; fi; note x");
    // The commands themselves are told, the conditions are not.
    assert!(findings.iter().all(|finding| finding.command == "mystery"), "{findings:?}");
    assert_eq!(world.calls, [["note", "x"]]);
    // A way on which the script fails is no installation.
    let (_, _, findings, world) = evaluated("set -e\nmystery || exit 1\nnote on");
    assert_eq!((findings.len(), world.calls.len()), (1, 1));
}

/// They end soon, too: what is done with long texts counts.
#[test]
fn scripts_of_much_work_end() {
    let long = "x=aaaaaaaa; while [ ${#x} -lt 16000 ]; do x=$x$x; done";
    let longer = "x=aaaaaaaa; while [ ${#x} -lt 200000 ]; do x=$x$x; done";
    for script in [
        format!("{long}; while :; do y=${{x%%*b}}; done"),
        format!("{longer}; while :; do i=$((i + 1)); eval y$i=\\$x; done"),
        format!("{longer}; while :; do echo $x | cat; done"),
        format!("{longer}; for i in 1 2 3 4 5 6; do echo $x >> /out/l; done; while :; do cat; done < /out/l"),
    ] {
        let (_, _, findings, _) = evaluated(&script);
        let is_told = findings.iter().any(|finding| finding.reason == "it takes too many steps");
        assert!(is_told, "{script}: {findings:?}");
    }
}

#[test]
fn endless_scripts_end() {
    for script in
        ["while :; do :; done", "f() { f; }; f", "x=aaaaaaaa; while :; do x=$x$x; done", "eval eval eval :"]
    {
        let (_, _, findings, _) = evaluated(script);
        assert!(!findings.is_empty() || script.starts_with("eval"), "{script}");
    }
}

/// Neither findings nor errors show how documents and quotes are kept.
#[test]
fn messages_have_no_marks() {
    let is_text = |text: &str| !text.contains(|c: char| ('\u{FDD0}'..='\u{FDEF}').contains(&c));
    for text in
        ["for i; do :; done <<E &\nx\nE\na=(1) cat <<'E'\nit's\nE\ncat <(:) <<E\nE\n", "x[1]=\"${y:-'z'}\"\n"]
    {
        let (_, _, findings, _) = evaluated(text);
        assert!(!findings.is_empty(), "{text}");
        assert!(findings.iter().all(|finding| is_text(&finding.command)), "{findings:?}");
    }
    for text in [
        "cat <<'E' )\nx\nE\n",
        "cat <<E <<'F' ;;\nx\nE\nit's\nF\n",
        ") <<'E'\nE\n",
        "\"${x-'}\" ) \"${x-'}\"\n",
    ] {
        let called = script(text, &[]);
        let error = evaluate(&called, &mut Little::default()).unwrap_err().to_string();
        assert!(is_text(&error), "{error}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    // With a document in it, too.
    let text = format!("{}cat <<E\nE\n{}", "$(".repeat(300), "\n)".repeat(300));
    let called = script(&text, &[]);
    assert_eq!(evaluate(&called, &mut Little::default()), Err(SyntaxError::Deep));
    let text = format!("{}:{}", "{ ".repeat(2000), "; }".repeat(2000));
    let called = script(&text, &[]);
    assert_eq!(evaluate(&called, &mut Little::default()), Err(SyntaxError::Deep));
}

/// Closing words in quotes, comments and here-documents close nothing; opening ones open nothing, however many.
#[test]
fn nesting_is_what_the_grammar_sees() {
    for (start, end) in [
        ("if echo done fi; then ", "; fi"),
        ("( echo ')'; ", " )"),
        ("{ echo '}}'; ", "; }"),
        ("while echo ')' done; do ", "; done"),
        ("case x in a) echo esac ) ;; *) ", ";; esac"),
        ("f() { echo '}'; ", "; }"),
        ("echo \"$(echo ')'; ", ")\""),
        ("echo `echo ')'` $(", ")"),
        ("cat <<E\ndone\n)\nE\nif ", "; then :; fi"),
        ("[[ ! ( a == ')' && ", " a ]]"),
    ] {
        let count = if start.starts_with("echo") { 300 } else { 3000 };
        let text = format!("{} : {}", start.repeat(count), end.repeat(count));
        let evaluated = std::thread::Builder::new().stack_size(64 << 20).spawn(move || {
            let called = script(&text, &[]);
            let _ = evaluate(&called, &mut Little::default());
            let _ = crate::shell::words(text.as_bytes());
        });
        evaluated.unwrap().join().unwrap();
    }
    let text = format!("{}echo all of it", "f() { # {{{\n  sed 's/[^(]*(//'\n}\n".repeat(200));
    assert_eq!(evaluated(&text).0, "all of it\n");
    let words = crate::shell::words(format!("{text}\nif true; then grep x; fi\n").as_bytes()).unwrap();
    assert!(words.commands.contains("grep"));
}

#[test]
fn long_chains_are_survived() {
    let many = |start: &str, link: &str, end: &str| format!("{start}{}{end}", link.repeat(20_000));
    for text in [
        many("echo $((", "~", "1))"),
        many("echo $((", "!", "1))"),
        many("echo $((", "- ", "1))"),
        many("echo $((", "1?1:", "0))"),
        many("echo $((", "x=", "1))"),
        many("echo $((", "1+", "1))"),
        many("echo $((", "2**", "1))"),
        many("[[ ", "! ", "a ]]"),
        many("[ ", "! ", "a ]"),
        many("", "! ", "true"),
        many("[[ ", "a && ", "a ]]"),
        many("[[ ", "a || ", "a ]]"),
        many("", "true && ", "true"),
        many("", "true | ", "true"),
        many("if false; then :; ", "elif false; then :; ", "fi"),
        many("", "x=1 ", "true"),
        many("echo ", "\\", ""),
        many("echo ", "''", ""),
        many("echo ", "$x", ""),
        many("time ", "time ", "true"),
        many("", "true >a ", ""),
        many("env ", "env ", "true"),
        many("echo {a,", "b,", "c}"),
        many("", "{a,b}", ""),
        many("echo ", "`", ""),
        many("echo \"", "$(", "\""),
        many("case x in ", "a) ;; ", "esac"),
    ] {
        let text = format!("#!/bin/bash\n{text}\n");
        let evaluated = std::thread::Builder::new().stack_size(64 << 20).spawn(move || {
            let called = script(&text, &[]);
            let _ = evaluate(&called, &mut Little::default());
        });
        evaluated.unwrap().join().unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_text_is_evaluated_without_panic(
        text in "([a-c=$(){}`\"' \n;&|<>*?#~!\\\\\\[\\]0-9-]|if |then |fi|for |do |done|case |esac|in |echo ){0,30}"
    ) {
        let called = script(&text, &["1"]);
        let _ = evaluate(&called, &mut Little::default());
    }
}
