//! Commands that make text of text, beside what the real ones make of it.

use std::fs;
use std::process::Command;

use rayon::prelude::*;

use super::*;

/// What is in `in` and `crlf`; `$in` stands for the first.
const IN: &str =
    "foobar foo\na*b a.b a+b a|b\nabc def\n/usr/lib/x.so.1\nkey=value # it\n\tt\\t[n]\\n\n\n10 b\n9 a\n9 a";

/// Command lines, of which each is modelled.
const LINES: &[&str] = &[
    // The longest of the leftmost.
    "sed -E 's/foo|foobar/X/' $in",
    "sed 's/foo\\|foobar/X/g' $in",
    "sed -E 's/(foo|foobar)( foo)?/[\\1]/' $in",
    "sed -E 's/a?(ab)?/X/' $in",
    "sed -E 's/^(key|k)=(.*)$/\\2=\\1/' $in",
    "sed -E 's/([^\\/]+\\/)*/<\\1>/' $in",
    "grep -o 'foo\\|foobar' $in; grep -oE 'a|abc|ab' $in; grep -o -e fo -e foob $in",
    "expr foobar : 'foo\\|foobar'; expr xfoo : 'foo\\|xf'; expr ab : b",
    "expr '*foo' : '*foo'; expr '^foo' : '^^foo'; expr foo : '^foo'; expr /usr/lib : '.*/\\([^/]*\\)$'",
    // Escapes and brackets.
    "sed 's/[\\t]/X/g;s/[\\n]/Y/g' $in; sed 's/[\\]/X/g;s/[]]/Y/;s/[^]a-z[]/Z/g' $in; sed 's/[\\.]/X/g' $in",
    "sed 's/[\\\\]/X/g;s/\\t/TAB/;s/\\./,/g' $in; sed -E 's/\\x61\\d098?/Q/g;s/\\o143/C/' $in; sed 's/[\\x41-C]/X/g' $in",
    "sed 's/\\w\\+/<&>/g;s/\\W/_/g' $in; sed 's/\\s/_/g;s/\\S/S/' $in; sed 's/\\bf/F/g;s/o\\b/O/g;s/\\Bo/0/g' $in",
    "sed 's/\\</</g;s/\\>/>/g' $in; sed 's/\\`./^/g' $in; sed \"s/.\\\\'/$/g\" $in",
    "grep -c '[\\t]' $in; grep '\\t' $in; grep -o '[\\n]' $in; grep -E '\\.so\\.[0-9]+$' $in; grep '^[[:space:]]' $in",
    "grep -w foo $in; grep -ow 'fo*' $in; grep -x 'abc\\|abc def' $in; grep -vw 'a' $in; grep -cxF 'abc def' $in",
    "grep -F 'a.b' $in; grep -F -e 'a*' -e def $in; grep -iw KEY $in; grep -qs x /nonexistent $in && echo found",
    "expr 'a\tb' : 'a\\tb'; expr 'atb' : 'a\\tb'; expr abc : '[a\\]*'",
    "sed 's/\\(*b\\)/<\\1>/;s/a^b/X/;s/\\(^k\\)/K/;s/$e/X/' $in; sed -E 's/a{2}|o{2,}/X/;s/e{,1}f/Y/' $in",
    "sed 's/b*/x/2' $in; sed 's/b*/x/g' $in; sed -E 's/(^|a)/<\\1/g' $in; sed 's/o*/[&]/g' $in",
    // Delimiters.
    "sed 's|a\\|b|X|' $in; sed 's,/usr\\,*,X,' $in; sed 's#/[^/]*$##;s/[/]/|/g;s/[[:alpha:]/]/x/' $in",
    "sed 's&b&[\\&]&;s/a\\/b/x/;\\,usr, d' $in; sed '\\|lib|s|/|:|g' $in; sed 's+a\\+b+X+' $in",
    // An empty expression is the last one.
    "sed 's/foo/x/;s//y/' $in; sed '/bar/s//y/' $in; sed '0,/a/s//z/' $in; sed -n '/def/{//p;s//<&>/p}' $in",
    "sed -e '/a/b' -e 's/k/K/;s//L/' $in",
    // Texts.
    "sed '1a one\\ntwo' $in; sed '1i\\  indented' $in; sed '1a hello\\tworld\\\\x' $in; sed '1a\\ttext' $in; sed '$a end' $in",
    "sed '1c\\\n  new\\\nlines' $in; sed -e '1i\\' -e '  foo' $in; sed '2,3c gone' $in; sed '2!c all' $in; sed '$!{$!c x\n}' $in",
    "sed '$a\\' $in; sed '1{a foo\np;}' $in; sed '{a foo}\n}' $in; sed '1i foo;p' $in; sed -n '1a q\ni i\n$=' $in",
    // Cases.
    "sed -E 's/(\\w)(\\w*)/\\u\\1\\U\\2\\E-\\l\\1./' $in; sed 's/[a-z]/\\u&/;s/[a-z]*$/\\U&/' $in; sed 's/\\(.*\\) \\(.*\\)/\\L\\u\\1 \\U\\2/' $in",
    "sed 's/f/x\\uoo\\Ubar&\\Ebaz/g;s/b/\\t\\n/;s/k/a\\\nb/;s/c/\\x41\\o102\\d067/' $in; sed 's/a/\\&/;s/b/\\0\\0/' $in",
    // Commands.
    "sed -n '$=' $in; sed '=' $in; sed '2q' $in; sed -n '3{p;q5}' $in; echo $?; sed '2Q' $in; sed 2,4d $in; sed -n '2,/def/p' $in",
    "sed '$!N;s/\\n/-/' $in; sed 'N;s/\\n/-/' $in; sed 'n;d' $in; sed '$!N;P;D' $in; sed 'N;N;P;D' $in; sed -n '$!{h;d};x;G;p' $in",
    "sed ':a;N;$!ba;s/\\n/ /g' $in; sed -n '1!G;h;$p' $in; sed 'G' $in; sed -n 'H;${x;s/\\n/,/g;p}' $in; sed 'x;p;x' $in",
    "sed -n 's/a/A/p; t end; d; :end q' $in; sed 'b x p; :x p' $in",
    "sed -e ':x' -e 's/a/A/;tx' -e 's/b/B/;T;s/$/!/' $in; sed '/foo/bend;s/^/> /;:end' $in; sed 's/a/x/;n;ta;s/^/n/;:a' $in",
    "sed 'y/abc/ABC/;y/\\/ /\\n_/' $in; sed 'y,a\\,\\\\,b;/,' $in; sed '1~2d' $in; sed -n '2,+1p;4,~3p;0~5p' $in",
    "sed '/^$/d;/^#/d;s/ *#.*//' $in; sed -n '/key/,$ {s/e/E/gp}' $in; sed 's/[0-9]/x/2;s/./&&/2g;s/a/q/12' $in; sed -n '2{p}' $in",
    "sed -n '2,3{n;n;n;p};2,3p' $in; sed '5,2s/^/x/' $in; sed -n '/a/,/a/{=;p}' $in; sed '2,3!d' $in; sed '#n\n1d # one' $in; sed '#n' $in",
    "sed -n -e 1p -e '$p' $in $in; sed --quiet --expression=1p $in; sed -ne 1p -- $in; printf 'a' | sed p; printf 'a\\nb' | sed 'a x'",
    "sed 's/\\r$//' /etc/crlf; grep -c 'x$' /etc/crlf; cut -c1-3 /etc/crlf",
    "sed 's/.*/a.b/;N;s/b.a/X/' $in; printf 'a\\nb\\n' | sed 'N;s/a.b/X/;s/[^x]/Y/g'",
    // Files.
    "cp $in /etc/c; sed -i.bak 's/o/0/' /etc/c; cat /etc/c /etc/c.bak",
    "cp $in /etc/c; sed -i~ -e 1d /etc/c; cat /etc/c /etc/c~; sed --in-place=.old 1d /etc/c; cat /etc/c /etc/c.old",
    "cp $in /etc/c; cd /etc; sed -i'old_*' 1d c; cat /etc/old_c; sed -ni '2p' /etc/c; cat /etc/c; sed -i -e 's/d/D/' -- /etc/c; cat /etc/c",
    "cp $in /etc/c; ln -s c /etc/l; sed -i s/foo/X/ /etc/l; cat /etc/l /etc/c; test -L /etc/l || echo file",
    "cp $in /etc/c; ln -s c /etc/l; sed -i --follow-symlinks s/foo/X/ /etc/l; cat /etc/l /etc/c; test -L /etc/l && echo link",
    "cp $in /etc/c; ln -s c /etc/l; sed -i.b s/foo/X/ /etc/l; test -L /etc/l.b && cat /etc/l.b; cat /etc/l",
    "cp $in /etc/c; cp $in /etc/d; sed -i '1d;$s/$/!/' /etc/c /etc/d; cat /etc/c /etc/d; sed -i 2q /etc/c /etc/d; cat /etc/c /etc/d",
    "mkdir -p /etc/d/e; ln -s d/e /etc/l; cd /etc/l; pwd; pwd -P; cd -P .; pwd; cd /etc/l; cd ..; pwd; cd - >/dev/null; pwd; cd - ; echo $PWD $OLDPWD",
    "mkdir -p /etc/d/e; rm -d /etc/d || echo no; rm -d /etc/d/e && rm -d /etc/d && test ! -e /etc/d && echo gone",
    "set -C; cp $in /etc/c; ln -s c /etc/l; (: > /etc/l) || echo no; (: >/etc/l2) && echo new",
    "(trap 'echo trapped' EXIT; exec cat /etc/crlf); (trap 'echo trapped' EXIT; cat /etc/crlf)",
    // tr.
    "tr '\\012' : <$in; tr -d '\\n\\t\\\\' <$in; tr a-y b-z <$in; tr '[:lower:]' '[:upper:]' <$in; tr 'A-Za-z' 'N-ZA-Mn-za-m' <$in",
    "tr -cd 'a-z\\n' <$in; tr -s 'o ' <$in; tr -s 'a-z' 'x' <$in; tr -cs '[:alnum:]' '[\\n*]' <$in; tr -ds 'ab' 'o\\n' <$in",
    "tr abc '[x*]' <$in; tr 'a-d' '[x*2]y' <$in; tr '[a-c]' '(A-C)' <$in; tr -- -/ _- <$in; tr a-c x <$in; tr '[:space:]' _ <$in",
    "tr '[:punct:]' ' ' <$in; tr -d '[:blank:]' <$in; tr '\\057' '\\055' <$in; tr -c 'a-z' '-' <$in; tr aa bc <$in; printf 'é\\n' | tr -d a",
    "tr 'a\\-z' xyz <$in; tr -d '[=' <$in; tr abc- '\\-' <$in; tr '\\055\\056' -+ <$in; tr : '\\n' <$in; tr -d '\\000' <$in",
    // Lines and columns.
    "head -n -2 $in; head -n -20 $in; head -n0 $in; head -2 $in; head --lines=1 $in; tail -n +3 $in; tail -n +0 $in; tail -n1 $in; tail -2 $in; tail -n -2 $in",
    "sort $in; sort -u $in; sort -r $in; sort -n $in; sort -nr $in; sort -rn -u $in; sort -f $in; sort -k2 $in; sort -k2,2 -k1,1nr $in",
    "sort -t = -k 2 $in; sort -t/ -k3,3r -s $in; sort -k1.2,1.3 $in; sort -b -k2 $in; sort -k1,1 -u $in; printf 'b a\\na  b\\n' | sort -k2b,2",
    "printf '%s\\n' 10 9 -1 -10 0.5 .25 007 x '' 1e3 -0.5 | sort -n; printf '%s\\n' B a C b A | sort -f; printf '%s\\n' B a b A b | sort -fu",
    "cp $in /etc/c; sort -o /etc/c /etc/c; cat /etc/c; sort -uo /etc/s /etc/c $in; cat /etc/s",
    "uniq $in; uniq -c $in; uniq -d $in; uniq -u $in; sort $in | uniq -c; sort $in | uniq -cd; printf 'a\\na' | uniq -c",
    "cut -d' ' -f2 $in; cut -d ' ' -f 2- -s $in; cut -d' ' --complement -f1 $in; cut -c2-3,5 $in; cut -d/ -f2,4 --output-delimiter=+ $in; cut -b-2 $in",
    "tac $in; tac $in | wc -l; wc -l $in | cut -d' ' -f1; wc -c <$in; wc -w <$in; printf 'é\\n' | wc -c; head -3 $in | fold -w 5; cat $in $in; cut -c1 $in $in",
    "awk '/foo|foobar/ { print $2 }' $in; awk -F= '{print $1, $2}' $in; awk '/^[a-z]+=/' $in; awk -F/ '{print $NF}' $in; awk '/\\/usr/ {print \"x\" $0}' $in",
];

/// What is told of these is right, if anything is.
const OTHERS: &[&str] = &[
    "sed 's.a\\.b.X.' $in; sed -E 's|a\\|b|X|' $in",
    "sed 's/\\x2e/X/g' $in",
    "sed 's/[\\x5d]/X/g' $in",
    "sed 's/a/\\x26/' $in",
    "sed 's/^*/x/' $in; sed -E 's/a|*b/x/' $in",
    "sed -E 's/(a*)*b/<\\1>/' $in",
    "sed -E 's/((a)|b)*/<\\1\\2>/' $in",
    "sed -E 's/(a|ab)(c|bcd)?(.*)/\\1-\\2-\\3/' $in",
    "sed 's/\\(b*\\)c/x\\u\\1\\uy/' $in; sed 's/\\(.*\\)/\\u\\L\\1/' $in",
    "sed 's/\\(.\\)\\1/<&>/' $in",
    "sed -i.bak/\\* 1d /etc/in; sed -i'old_*' 1d /etc/in; printf '%.1f\\n' 2.25; printf '%d\\n' 12abc",
    "sed -s -n '$p' $in $in; sed -z 's/\\n/,/g' $in; sed l $in; sed 'w /etc/w' $in; cat /etc/w",
    "sed 's/a/b/w /dev/stdout' $in",
    "sed 's/^/x/mg' $in",
    "sed 'r /etc/crlf' $in; sed '1F' $in; sed 'd x' $in; sed 's/a/b/gg' $in; sed 'y/ab/x/' $in; sed p} $in; sed -n '1!!p' $in",
    "sed 'a' $in; sed 'i\\' $in; sed 's/a/b' $in; sed 's/\\(/x/' $in; sed 's/a\\{1/x/' $in",
    "grep '[a-z-9]' $in; grep -E 'a{1' $in; grep -E '*a' $in; grep -E 'a)' $in; grep -P '\\d+' $in; grep -P 'fo+?' $in; grep -oP 'foo|foobar' $in",
    "grep -oE '(a|b)\\1?' $in; grep -z a $in; grep -n foo $in",
    "expr foobar : '\\(f\\|foo\\)o*'; fold -w 5 $in; expr abc : '\\(a*\\)*'; expr 'abab' : '\\(ab\\|a\\)*'; expr aab : '\\(a\\|ab\\)*b*'",
    "tr a-c '[:upper:]' <$in; tr 'z-a' x <$in; tr '\\q' x <$in; tr '[=a=]' x <$in; tr -t abc x <$in; tr -c '[:alpha:]' xy <$in; tr a '' <$in; tr 'a\\' bc <$in",
    "head -n 1 $in $in; tail -n1 $in $in; tail +2 $in; head -c 3 $in; tail -c 3 $in; wc $in; wc -l $in $in; sort -V $in; sort -h $in; sort -m $in; sort -c $in",
    "cut -f1 -c1 $in; cut -f 0 $in; cut -d ab -f1 $in; cut -f 3-1 $in; printf 'é\\n' | cut -c1; cut -c1,3 --output-delimiter=+ $in",
    "uniq -f1 $in; uniq -w1 $in; uniq -i $in; uniq $in /etc/u; cat /etc/u; paste -s -d, $in; paste $in $in",
    "awk '/a{1}/' $in; awk '{print $1; exit}' $in; awk '/\\w/' $in; awk '{print NR, $1}' $in; awk -F'[ =]' '{print $2}' $in; awk '/[\\t]/' $in",
    "echo -e 'a\\tb'; echo -n -n x; echo -nx; printf '%f %e %g\\n' 2.675 1.005 0.1; printf '%q\\n' 'a b'; echo $?",
];

/// What dash says of numbers and texts.
const PRINTED: &[&str] = &[
    "printf '%f|%e|%g|%.2f|%5.1f|%-8.2f|%+g|%08.3f|% g\\n' 1.5 1.5 1.5 3.14159 2.26 1 7 -1.5 3",
    "printf '%g %g %g %g %g %G %E %.0f %.3g\\n' 1e10 0.0001 123456789 0 100000 1e-10 12 0 1234; printf '%f|%g\\n' '' -0",
    "printf 'x%qy\\n' 'a b'; echo $?",
    "printf 'a%'; echo $?",
    "printf '%5%|'; echo $?",
    "printf '%z'; echo $?",
    "printf '%d %s|\\n' abc x; echo $?",
    "printf '\\x41\\101\\\\x41\\\\n\\e|%s|%b|\\n' 'a\\n' 'a\\x41\\0101\\n'; printf '100%%\\n'; printf '%s%%\\n' a b",
    "echo 'a\\tb\\0101\\x41'; echo -n x; echo a -n; printf '%s\\n' \"a\\tb\"",
];

fn is_gnu() -> bool {
    let version = Command::new("sed").arg("--version").output();
    version.is_ok_and(|found| String::from_utf8_lossy(&found.stdout).contains("GNU sed"))
}

/// What a command line writes, by its models; none where that is not known.
fn modelled(line: &str, input: &str) -> Option<String> {
    let script = format!(
        "cat >/etc/in <<'END'\n{input}\nEND\nprintf 'x\\r\\ny z\\r\\n' >/etc/crlf\n\
         {{ {line}\n}} >/etc/out || :\n"
    );
    let found = effects(&[("postinst", &format!("#!/bin/sh\n{}", script.replace("$in", "/etc/in")))]);
    let is_out = |effect: &Effect| match effect {
        Effect::File { path, content, .. } if path.as_str() == "/etc/out" => {
            Some(String::from_utf8_lossy(content).into_owned())
        }
        _ => None,
    };
    found.effects.iter().find_map(is_out).filter(|_| found.undone.is_empty())
}

/// What it really writes.
fn real(line: &str, input: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let etc = directory.path().to_str().unwrap();
    fs::write(directory.path().join("in"), format!("{input}\n")).unwrap();
    fs::write(directory.path().join("crlf"), "x\r\ny z\r\n").unwrap();
    let line = line.replace("$in", "/etc/in").replace("/etc", etc);
    let found = Command::new("sh").args(["-c", &line]).env("LC_ALL", "C.UTF-8").output().unwrap();
    String::from_utf8_lossy(&found.stdout).replace(etc, "/etc")
}

#[test]
fn texts_are_what_the_real_commands_make() {
    if !is_gnu() {
        return;
    }
    let mut wrong = Vec::new();
    for line in LINES.iter().chain(PRINTED) {
        let (real, modelled) = (real(line, IN), modelled(line, IN));
        if modelled.as_ref() != Some(&real) {
            wrong.push(format!("{line}\n--- real\n{real}--- model\n{modelled:?}\n"));
        }
    }
    for line in OTHERS.iter().flat_map(|line| line.split("; ")) {
        let (real, modelled) = (real(line, IN), modelled(line, IN));
        if modelled.as_ref().is_some_and(|modelled| *modelled != real) {
            wrong.push(format!("{line}\n--- real\n{real}--- model\n{modelled:?}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What would take long is told: it is counted, so that it comes to the same on each machine.
#[test]
fn what_takes_too_long_is_told() {
    let long = "x=a; while [ ${#x} -lt 60000 ]; do x=$x$x; done; echo $x >/etc/one\n\
                y='$0,'; while [ ${#y} -lt 6000 ]; do y=$y$y; done";
    let lines = [
        "echo aaa | sed ':a;s/a/aa/;ta'",
        "echo a | sed ':a;p;ba'",
        "echo a | sed ':a;G;h;ba'",
        "sed -i ':a;s/a$/aa/;ta' /etc/one",
        "sed -E 's/a|a.*b/x/g' /etc/one",
        "grep -oE 'a|a.*b' /etc/one",
        "awk \"/a/ {print $y \\\"x\\\"}\" /etc/one",
        "while :; do tr -cs x '[a*]' </etc/one; done",
    ];
    lines.into_par_iter().for_each(|line| {
        let found = effects(&[("postinst", &format!("#!/bin/sh\n{long}\n{{ {line}\n}} >/etc/out || :\n"))]);
        let is_told = found.undone.iter().any(|undone| undone.reason == "it takes too many steps");
        assert!(is_told, "{line}: {:?}", found.undone);
    });
}

/// Expressions of a few parts, each on many texts.
#[test]
fn expressions_match_what_the_real_ones_match() {
    const ATOMS: &[&str] =
        &["a", "b", "c", ".", "[ab]", "[^a]", "(", "(", ")", ")", "|", "^", "$", "*", "?", "+", "*"];
    if !is_gnu() {
        return;
    }
    let mut texts = vec![String::new()];
    for length in 1..5 {
        let longer = texts.iter().filter(|text| text.len() + 1 == length);
        let longer: Vec<String> =
            longer.flat_map(|text| ["a", "b", "c"].map(|c| format!("{text}{c}"))).collect();
        texts.extend(longer);
    }
    let input = texts.join("\n");
    let (mut seed, mut known) = (7_u64, 0);
    for _ in 0..400 {
        let mut next = |most: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(seed >> 33).unwrap() % most
        };
        let count = 2 + next(9);
        let expression: String = (0..count).map(|_| ATOMS[next(ATOMS.len())]).collect();
        let group = if next(2) == 0 && expression.contains('(') { "\\1" } else { "" };
        let flag = ["", "g", "2"][next(3)];
        let line = format!("sed -E 's/{expression}/<&{group}>/{flag}' $in; grep -oE '{expression}' $in");
        if let Some(modelled) = modelled(&line, &input) {
            known += 1;
            assert_eq!(modelled, real(&line, &input), "{line}");
        }
    }
    assert!(known > 50, "{known}");
}
