//! Who pulls in what, all of it: a chosen path keeps its first reason alone, and this keeps every one. From it
//! follows what an image would lose with a plug-in: all that is reached through it and no other way.
//!
//! That is dominance in a flow graph (Cooper, Harvey, Kennedy: "A Simple, Fast Dominance Algorithm", 2001). The
//! plug-ins of one directory are also counted together, since several may share a library that only they need.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::root_path::RootPath;

/// The start of everything: the recipe.
const ROOT: u32 = 0;

/// Something that pulls, or is pulled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Node {
    Recipe,
    Package(String),
    Path(RootPath),
    /// The plug-ins that a package has in a directory.
    Plugins(RootPath),
}

/// What pulls what in an image.
#[derive(Debug)]
pub(super) struct Bonds {
    nodes: Vec<Node>,
    numbers: HashMap<Node, u32>,
    edges: HashSet<(u32, u32)>,
}

/// What a plug-in, or a directory of them, costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginCost {
    /// The plug-in, or the directory of several.
    pub path: RootPath,
    /// How many plug-ins that is.
    pub plugins: usize,
    /// The bytes of itself and of all that only it pulls in.
    pub bytes: u64,
    /// Those of them that are its own.
    pub own: u64,
}

impl Default for Bonds {
    fn default() -> Self {
        let mut bonds = Bonds { nodes: Vec::new(), numbers: HashMap::new(), edges: HashSet::new() };
        bonds.number(Node::Recipe);
        bonds
    }
}

impl Bonds {
    fn number(&mut self, node: Node) -> u32 {
        if let Some(number) = self.numbers.get(&node) {
            return *number;
        }
        // More nodes than four thousand million do not fit into memory.
        let number = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.push(node.clone());
        self.numbers.insert(node, number);
        number
    }

    fn bind(&mut self, from: Node, to: Node) {
        let edge = (self.number(from), self.number(to));
        self.edges.insert(edge);
    }

    /// The recipe asks for a path.
    pub(super) fn root_to_file(&mut self, path: &RootPath) {
        self.bind(Node::Recipe, Node::Path(path.clone()));
    }

    /// The recipe asks for a package.
    pub(super) fn root_to_package(&mut self, package: &str) {
        self.bind(Node::Recipe, Node::Package(package.to_owned()));
    }

    /// A package depends on another.
    pub(super) fn package_to_package(&mut self, from: &str, to: &str) {
        self.bind(Node::Package(from.to_owned()), Node::Package(to.to_owned()));
    }

    /// A package has a path.
    pub(super) fn package_to_file(&mut self, package: &str, path: &RootPath, is_plugin: bool) {
        let package = Node::Package(package.to_owned());
        match path.parent().filter(|_| is_plugin) {
            Some(directory) => {
                self.bind(package, Node::Plugins(directory.clone()));
                self.bind(Node::Plugins(directory), Node::Path(path.clone()));
            }
            None => self.bind(package, Node::Path(path.clone())),
        }
    }

    /// A file needs another.
    pub(super) fn file_to_file(&mut self, from: &RootPath, to: &RootPath) {
        self.bind(Node::Path(from.clone()), Node::Path(to.clone()));
    }

    /// A file brings a package along.
    pub(super) fn file_to_package(&mut self, from: &RootPath, package: &str) {
        self.bind(Node::Path(from.clone()), Node::Package(package.to_owned()));
    }

    /// What each plug-in and each directory of several costs, dearest first. `sizes` has the size of every chosen
    /// file.
    pub(super) fn plugin_costs(
        &self,
        plugins: &BTreeSet<&RootPath>,
        sizes: &BTreeMap<&RootPath, u64>,
    ) -> Vec<PluginCost> {
        let own = |node: &Node| match node {
            Node::Path(path) => sizes.get(path).copied().unwrap_or_default(),
            _ => 0,
        };
        let dominators = Dominators::of(self.nodes.len(), &self.edges);
        let mut bytes: Vec<u64> = self.nodes.iter().map(own).collect();
        // A node comes after what dominates it, so each is whole when it is added to that.
        for &node in dominators.order.iter().rev() {
            if let Some(above) = dominators.above[node as usize].filter(|_| node != ROOT) {
                bytes[above as usize] += bytes[node as usize];
            }
        }
        let mut costs = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            let (path, members): (&RootPath, Vec<&RootPath>) = match node {
                Node::Path(path) if plugins.contains(path) => (path, vec![path]),
                Node::Plugins(path) => {
                    let inside = |plugin: &&&RootPath| plugin.parent().as_ref() == Some(path);
                    (path, plugins.iter().filter(inside).copied().collect())
                }
                _ => continue,
            };
            if matches!(node, Node::Plugins(_)) && members.len() < 2 {
                continue;
            }
            let own = members.iter().filter_map(|plugin| sizes.get(*plugin)).sum();
            costs.push(PluginCost { path: path.clone(), plugins: members.len(), bytes: bytes[number], own });
        }
        costs.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.path.cmp(&b.path)));
        costs
    }
}

/// The immediate dominator of each node, and an order in which every node comes after its own.
struct Dominators {
    above: Vec<Option<u32>>,
    order: Vec<u32>,
}

impl Dominators {
    fn of(nodes: usize, edges: &HashSet<(u32, u32)>) -> Self {
        let mut next: Vec<Vec<u32>> = vec![Vec::new(); nodes];
        let mut previous: Vec<Vec<u32>> = vec![Vec::new(); nodes];
        for (from, to) in edges {
            next[*from as usize].push(*to);
            previous[*to as usize].push(*from);
        }
        let order = reverse_post_order(&next);
        let mut place = vec![usize::MAX; nodes];
        for (at, node) in order.iter().enumerate() {
            place[*node as usize] = at;
        }
        let mut above: Vec<Option<u32>> = vec![None; nodes];
        above[ROOT as usize] = Some(ROOT);
        let mut changed = true;
        while changed {
            changed = false;
            for &node in order.iter().skip(1) {
                let mut found: Option<u32> = None;
                for &from in previous[node as usize].iter().filter(|from| above[**from as usize].is_some()) {
                    found = Some(found.map_or(from, |known| meet(known, from, &above, &place)));
                }
                if above[node as usize] != found {
                    above[node as usize] = found;
                    changed = true;
                }
            }
        }
        Dominators { above, order }
    }
}

/// The nearest node that dominates both.
fn meet(mut a: u32, mut b: u32, above: &[Option<u32>], place: &[usize]) -> u32 {
    while a != b {
        let lower = if place[a as usize] > place[b as usize] { &mut a } else { &mut b };
        *lower = above[*lower as usize].unwrap_or(ROOT);
    }
    a
}

/// The nodes that the root leads to, each before what only it leads to.
fn reverse_post_order(next: &[Vec<u32>]) -> Vec<u32> {
    let mut order = Vec::new();
    let mut seen = vec![false; next.len()];
    seen[ROOT as usize] = true;
    let mut stack = vec![(ROOT, 0)];
    while let Some((node, at)) = stack.pop() {
        match next[node as usize].get(at) {
            Some(&to) => {
                stack.push((node, at + 1));
                if !std::mem::replace(&mut seen[to as usize], true) {
                    stack.push((to, 0));
                }
            }
            None => order.push(node),
        }
    }
    order.reverse();
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RootPath {
        RootPath::parse(text).unwrap()
    }

    #[test]
    fn what_only_a_plugin_pulls_in_is_its_cost() {
        let mut bonds = Bonds::default();
        let [app, a, b, c] = ["/bin/app", "/p/a.so", "/p/b.so", "/p/c.so"].map(path);
        let [only_a, shared, common, deep] = ["/l/onlya", "/l/shared", "/l/common", "/l/deep"].map(path);
        bonds.root_to_package("app");
        bonds.package_to_file("app", &app, false);
        for plugin in [&a, &b, &c] {
            bonds.package_to_file("app", plugin, true);
            bonds.file_to_file(plugin, &common);
        }
        bonds.file_to_file(&app, &common);
        bonds.file_to_file(&a, &only_a);
        bonds.file_to_package(&only_a, "deep");
        bonds.package_to_file("deep", &deep, false);
        bonds.file_to_file(&deep, &only_a);
        bonds.file_to_file(&a, &shared);
        bonds.file_to_file(&b, &shared);
        let files = [&app, &a, &b, &c, &only_a, &shared, &common, &deep];
        let sizes = files.into_iter().zip([1, 2, 4, 8, 16, 32, 64, 128]).collect();
        let costs = bonds.plugin_costs(&BTreeSet::from([&a, &b, &c]), &sizes);
        let told: Vec<_> =
            costs.iter().map(|one| (one.path.as_str(), one.plugins, one.bytes, one.own)).collect();
        assert_eq!(
            told,
            [("/p", 3, 190, 14), ("/p/a.so", 1, 146, 2), ("/p/c.so", 1, 8, 8), ("/p/b.so", 1, 4, 4)]
        );
    }
}
