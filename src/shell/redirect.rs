//! Redirections (XCU 2.7).

use brush_parser::ast::{IoFileRedirectKind, IoFileRedirectTarget, IoRedirect};

use super::here_documents::Document;
use super::state::{Descriptor, Shell, destination, lookup};
use super::text::{is_known, unknown};
use super::{Node, World};

impl<W: World> Shell<W> {
    /// Applies redirections to the shell's descriptors. False if one fails, with the status set.
    pub(super) fn redirect(&mut self, redirects: &[&IoRedirect]) -> bool {
        redirects.iter().all(|redirect| self.one_redirect(redirect).is_some())
    }

    fn one_redirect(&mut self, redirect: &IoRedirect) -> Option<()> {
        match redirect {
            IoRedirect::File(number, kind, target) => {
                let input = matches!(
                    kind,
                    IoFileRedirectKind::Read
                        | IoFileRedirectKind::ReadAndWrite
                        | IoFileRedirectKind::DuplicateInput
                );
                let number = number.unwrap_or(i32::from(!input));
                let descriptor = match target {
                    IoFileRedirectTarget::Fd(other) => self.copy_of(*other),
                    IoFileRedirectTarget::Duplicate(word) => {
                        let text = self.single(&word.value)?;
                        match text.trim_end_matches('-').parse::<i32>() {
                            Ok(other) => self.copy_of(other),
                            Err(_) if text == "-" => Descriptor::Nothing,
                            // `>&file` of bash.
                            Err(_) => {
                                let opened = self.opened(&text, &IoFileRedirectKind::Write)?;
                                self.own.descriptors.insert(2, opened.clone());
                                opened
                            }
                        }
                    }
                    IoFileRedirectTarget::Filename(word) => {
                        let path = self.single(&word.value)?;
                        self.opened(&path, kind)?
                    }
                    IoFileRedirectTarget::ProcessSubstitution(..) => {
                        self.tell(&redirect.to_string(), "process substitution is not followed");
                        let stream = self.new_stream(unknown());
                        Descriptor::Stream(stream)
                    }
                };
                self.own.descriptors.insert(number, descriptor);
            }
            IoRedirect::HereDocument(..) => {
                self.tell(&redirect.to_string(), "where the here-document begins is not clear");
                return None;
            }
            IoRedirect::HereString(number, word) => {
                let text = match Document::of(&word.value) {
                    Some(document) if document.is_expanded => self.document(&document.body)?,
                    Some(document) => document.body,
                    None => self.single(&word.value)? + "\n",
                };
                let stream = self.new_stream(text);
                self.own.descriptors.insert(number.unwrap_or(0), Descriptor::Stream(stream));
            }
            IoRedirect::OutputAndError(word, append) => {
                let path = self.single(&word.value)?;
                let kind = if *append { IoFileRedirectKind::Append } else { IoFileRedirectKind::Write };
                let opened = self.opened(&path, &kind)?;
                self.own.descriptors.insert(1, opened.clone());
                self.own.descriptors.insert(2, opened);
            }
        }
        Some(())
    }

    fn copy_of(&self, number: i32) -> Descriptor {
        self.own.descriptors.get(&number).cloned().unwrap_or(Descriptor::Nothing)
    }

    fn opened(&mut self, path: &str, kind: &IoFileRedirectKind) -> Option<Descriptor> {
        match path {
            "/dev/null" | "/dev/tty" | "/dev/console" | "/dev/kmsg" => return Some(Descriptor::Nothing),
            "/dev/stdin" => return Some(self.copy_of(0)),
            "/dev/stdout" => return Some(self.copy_of(1)),
            "/dev/stderr" => return Some(self.copy_of(2)),
            _ => {}
        }
        let reads = matches!(kind, IoFileRedirectKind::Read | IoFileRedirectKind::ReadAndWrite);
        if !is_known(path) {
            if reads {
                let stream = self.new_stream(unknown());
                return Some(Descriptor::Stream(stream));
            }
            self.tell(&format!("> {path}"), "the file's name is not known");
            return Some(Descriptor::Nothing);
        }
        if reads {
            return match lookup(&self.world, &self.own.directory, path, true) {
                Some((place, Node::File { .. })) => {
                    let text = self.world.read(&place).unwrap_or_else(unknown);
                    Some(Descriptor::Stream(self.new_stream(text)))
                }
                Some((_, Node::Other)) => Some(Descriptor::Stream(self.new_stream(unknown()))),
                _ => {
                    self.status = Some(2);
                    None
                }
            };
        }
        let Some(place) = destination(&self.world, &self.own.directory, path) else {
            self.status = Some(2);
            return None;
        };
        match self.world.node(&place) {
            Some(Node::Directory) => {
                self.status = Some(2);
                None
            }
            // `set -C`
            Some(Node::File { .. })
                if matches!(kind, IoFileRedirectKind::Write) && self.own.options.contains(&'C') =>
            {
                self.status = Some(if self.is_bash { 1 } else { 2 });
                None
            }
            Some(Node::Other) => Some(Descriptor::Nothing),
            _ => {
                let append = matches!(kind, IoFileRedirectKind::Append);
                if let Err(reason) = self.world.write(&place, "", append, self.file_bits()) {
                    self.tell(&format!("> {path}"), reason);
                }
                Some(Descriptor::File(place))
            }
        }
    }
}
