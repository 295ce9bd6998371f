//! Lines with here-documents, put so that the parser reads them right: of `cat <<EOF > "${x}"` its tokens of the braces
//! get lost, of `cat <<EOF > "$x"` and of `cat > "${x}" <<EOF` they do not. Lines stay what they are by number.

use std::borrow::Cow;

/// The text with such lines written otherwise, to the same effect.
pub(super) fn plain_here_lines(text: &str) -> Cow<'_, str> {
    if !text.contains("<<") {
        return Cow::Borrowed(text);
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (mut plain, mut at) = (String::with_capacity(text.len()), 0);
    while let Some(line) = lines.get(at) {
        at += 1;
        let Some(here) = Here::find(line) else {
            plain.push_str(line);
            continue;
        };
        let is_end = |line: &&str| {
            let line = line.trim_end_matches('\n');
            (if here.is_indented { line.trim_start_matches('\t') } else { line }) == here.tag
        };
        let Some(size) = lines[at..].iter().position(is_end) else {
            plain.push_str(line);
            continue;
        };
        plain.push_str(&here.plain(line));
        // What is in it is no line of the script.
        plain.extend(lines[at..=at + size].iter().copied());
        at += size + 1;
    }
    Cow::Owned(plain)
}

/// The operators of a line for here-documents, and the tag of the last.
struct Here<'l> {
    /// Where the first begins and the last ends, with its tag.
    start: usize,
    end: usize,
    tag: &'l str,
    is_indented: bool,
}

impl<'l> Here<'l> {
    fn find(line: &'l str) -> Option<Self> {
        let last = line.rfind("<<").filter(|last| !line[..*last].ends_with('<'))?;
        let rest = &line[last + 2..];
        let is_indented = rest.starts_with('-');
        let word = rest[usize::from(is_indented)..].trim_start_matches([' ', '\t']);
        let bare = word.trim_start_matches(['\'', '"', '\\']);
        let tag = &bare[..bare.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(bare.len())];
        let after = bare[tag.len()..].trim_start_matches(['\'', '"']);
        let end = line.len() - after.len();
        let start = line.find("<<").filter(|first| !line[*first..].starts_with("<<<")).unwrap_or(last);
        (!tag.is_empty()).then_some(Here { start, end, tag, is_indented })
    }

    fn plain(&self, line: &str) -> String {
        let (before, operator, after) = (&line[..self.start], &line[self.start..self.end], &line[self.end..]);
        let after = without_braces(after);
        let has_more = ["${", "$(", "`"].iter().any(|opening| after.contains(opening));
        // Words and redirections of one command may stand on either side.
        if !has_more || after.contains(['|', ';', '&']) {
            return format!("{before}{operator}{after}");
        }
        format!("{before}{} {operator}\n", after.trim_end_matches('\n'))
    }
}

/// `${name}` as `$name`, but for what is quoted.
fn without_braces(text: &str) -> String {
    let (mut plain, mut rest, mut is_quoted) = (String::new(), text, false);
    while let Some(c) = rest.chars().next() {
        is_quoted ^= c == '\'';
        let name = rest.strip_prefix("${").filter(|_| !is_quoted && !plain.ends_with('\\'));
        let name = name.and_then(|name| name.split_once('}'));
        let is_name = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if let Some((name, after)) = name.filter(|(name, _)| is_name(name)) {
            plain.push_str(&format!("${name}"));
            // What follows is not to become a part of the name.
            if after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
                plain.push_str("\"\"");
            }
            rest = after;
        } else {
            plain.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_otherwise_and_documents_are_not() {
        for (line, plain) in [
            ("cat <<EOF > \"${x}\"", "cat <<EOF > \"$x\""),
            ("cat << EOF >\"${x}y\" 2>'${z}'", "cat  >\"$x\"\"y\" 2>'${z}' << EOF"),
            ("cat <<-'EOF' > $(name)", "cat  > $(name) <<-'EOF'"),
            ("cat <<\\EOF > ${x:-y}", "cat  > ${x:-y} <<\\EOF"),
            ("cat <<EOF | sed \"s/${x}/y/\"", "cat <<EOF | sed \"s/$x/y/\""),
            ("cat <<EOF | sed $(x)", "cat <<EOF | sed $(x)"),
            ("cat > ${x} <<EOF", "cat > ${x} <<EOF"),
            ("cat <<A <<EOF >> ${x-}", "cat  >> ${x-} <<A <<EOF"),
        ] {
            let text = |line: &str| format!("a\n{line}\ncat <<EOF > ${{x}}\nEOF\nb <<< ${{x}}\n");
            assert_eq!(plain_here_lines(&text(line)), text(plain));
        }
        for same in ["a $((1<<2)) ${x}\n", "cat <<EOF > ${x}\nnever ends\n", "cat <<", "<<\u{e9} ${x}\n"] {
            assert_eq!(plain_here_lines(same), same);
        }
        assert_eq!(plain_here_lines("cat <<-A > ${x}\n\tA\nb"), "cat <<-A > $x\n\tA\nb");
    }
}
