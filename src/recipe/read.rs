//! The recipe as a whole: its keys, and what they must have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::accounts::{self, Defined, Mentions};
use super::base::{self, Base};
use super::findings::Findings;
use super::image::ImageConfig;
use super::image_test::Test;
use super::layer::{self, Declared, check_name};
use super::layering::{LayerCompression, Layering};
use super::origin::Origin;
use super::package::{Grammar, PackageSpec};
use super::problems::{Problems, quoted};
use super::reader::{Table, Value};
use super::repository::read_repositories;
use super::rule::{self, Rule};
use super::strip::Strip;
use super::{Layer, Recipe, RecipeError, Variant};

/// Reads a recipe's text; `path` is the file it comes from, whose directory relative paths start at. `chain` are the
/// files of the recipes that have it as a base, and its own.
pub(super) fn parse(text: &str, path: &Path, chain: &[PathBuf]) -> Result<Recipe, RecipeError> {
    let (tree, errors) = DeTable::parse_recoverable(text);
    let findings = Findings::new(text);
    findings.syntax(&errors);
    let recipe = read(Table::root(tree.get_ref(), &findings), path, chain)?;
    let problems = findings.into_problems();
    if problems.is_empty() {
        return Ok(recipe);
    }
    Err(RecipeError::Invalid(Problems { path: path.to_owned(), text: text.to_owned(), problems }))
}

fn read(mut table: Table<'_>, path: &Path, chain: &[PathBuf]) -> Result<Recipe, RecipeError> {
    let findings = table.findings;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let mut mentions = Mentions::default();

    let name = table.required("name", "\"...\"").and_then(|value| value.text());
    if let Some(name) = &name {
        check_name("recipe", name, findings);
    }
    let base_value = table.take("base");
    let mut base = match &base_value {
        Some(value) => base::read(value, &dir, chain, findings)?,
        None => None,
    };
    let on_image = base.as_ref().is_some_and(|base| base.recipe.base_image.is_some());
    // An image says nothing as recipes do.
    let recipe_below = base.as_ref().filter(|_| !on_image);
    let below = recipe_below.map(|base| &base.recipe);
    let mut origin = Origin::read(&mut table, &dir, below);
    if let Some(base) = recipe_below {
        base.give_origin(&mut origin);
    }
    let skeleton = read_skeleton(&mut table, below);
    let strict = table.boolean("strict", false);
    let layering = Layering::read(&mut table);
    let compression = LayerCompression::read(&mut table);
    let repository = table.take("repository");
    let inherited = recipe_below.map(Base::give_repositories);
    let repositories = read_repositories(repository.as_ref(), &dir, &origin, inherited);
    let packages = Grammar::of(&repositories, &dir);
    let layers = Layers::read(&mut table, &packages, &mut mentions);
    let strip = table.take("strip").map(|value| Strip::read(&value)).unwrap_or_default();
    let image = read_image(&mut table, below, &mut mentions);
    let tests = table.take("test").map(|value| Test::read_all(&value, "test")).unwrap_or_default();
    let rules = read_rules(&mut table, below);
    let (users, groups) = (table.take("user"), table.take("group"));

    // A base could define what is missing here, and so could a key whose name is misspelt.
    let lacks_base = base_value.is_some() && base.is_none();
    mentions.unsure |= lacks_base || table.misspells("user") || table.misspells("group");
    let has_origin = origin.given || repository.is_some() || (base_value.is_some() && !on_image);
    let has_origin = has_origin || table.misspells("from") || table.misspells("repository");
    check_image(base_value.as_ref().filter(|_| on_image && !has_origin), findings);
    layers.check(has_origin || on_image, below, findings);
    let given = base.as_ref().and_then(|base| base.recipe.lowest_image());
    mentions.has_packages = layers.have_packages(below) || given.is_some();
    let known = Defined::below(below);
    let accounts =
        accounts::read(users.as_ref(), groups.as_ref(), mentions, &known, packages.format, findings);
    table.finish();
    if let Some(base) = base.as_mut().filter(|_| on_image) {
        base.recipe.from = origin.from;
        base.recipe.repositories.clone_from(&repositories.list);
    }

    let (layers, variants) = layers.plain();
    Ok(Recipe {
        path: path.to_owned(),
        text: findings.text().to_owned(),
        dir,
        name: name.map(|name| name.text.to_owned()).unwrap_or_default(),
        variant: None,
        from: origin.from,
        archs: origin.archs,
        pockets: origin.pockets,
        keys: origin.keys,
        snapshot: origin.snapshot,
        skeleton,
        strict,
        layers,
        layering,
        compression,
        strip,
        users: accounts.users,
        groups: accounts.groups,
        awaited: accounts.awaited,
        image,
        variants,
        rules,
        tests,
        repositories: repositories.list,
        base: base.map(Box::new),
        base_image: None,
    })
}

/// How the image is to run, as far as it is not as the base's.
fn read_image(table: &mut Table<'_>, below: Option<&Recipe>, mentions: &mut Mentions) -> ImageConfig {
    let image = table.take("image").map(|value| ImageConfig::read(&value, mentions));
    let mut image = image.unwrap_or_default();
    if let Some(below) = below {
        image.inherit(&below.image);
    }
    image
}

/// The recipe's own rules, and behind them the base's that it has not replaced.
fn read_rules(table: &mut Table<'_>, below: Option<&Recipe>) -> Vec<Rule> {
    let mut rules = table.take("rule").map(|value| rule::read_all(&value)).unwrap_or_default();
    let own: BTreeSet<String> = rules.iter().map(|rule| rule.name.clone()).collect();
    let lower = below.into_iter().flat_map(|below| &below.rules);
    rules.extend(lower.filter(|rule| !own.contains(&rule.name)).cloned());
    rules
}

/// Whether the lowest layer has the skeleton, which is for the lowest recipe to say.
fn read_skeleton(table: &mut Table<'_>, below: Option<&Recipe>) -> bool {
    let Some(below) = below else { return table.boolean("skeleton", true) };
    if let Some(value) = table.take("skeleton")
        && value.boolean().is_some_and(|said| said != below.skeleton)
    {
        let hint = "leave it out, or say it in the base";
        table.findings.context(
            &value.key_span,
            "the skeleton belongs to the lowest layer, which is a base's",
            hint,
        );
    }
    below.skeleton
}

/// The layers of a recipe and those of its variants.
struct Layers {
    own: Vec<Declared>,
    /// By their names, with their tests.
    variants: BTreeMap<String, (Vec<Declared>, Vec<Test>)>,
}

impl Layers {
    fn read(table: &mut Table<'_>, packages: &Grammar<'_>, mentions: &mut Mentions) -> Self {
        let own = table.required_tables("layer", "layer");
        let own = own.map(|value| layer::read(&value, "layer", packages, mentions)).unwrap_or_default();
        let variants = table.take("variant").map(|value| read_variants(&value, packages, mentions));
        Layers { own, variants: variants.unwrap_or_default() }
    }

    fn all(&self) -> impl Iterator<Item = &Declared> {
        self.own.iter().chain(self.variants.values().flat_map(|(layers, _)| layers))
    }

    /// Whether one of these names packages, or one of the bases' does.
    fn have_packages(&self, below: Option<&Recipe>) -> bool {
        let lower = below.into_iter().flat_map(Recipe::stack).flat_map(|recipe| &recipe.layers);
        self.all().map(|declared| &declared.layer).chain(lower).any(|layer| !layer.packages.is_empty())
    }

    fn check(&self, has_origin: bool, below: Option<&Recipe>, findings: &Findings<'_>) {
        self.check_names(findings);
        self.check_origin(has_origin, findings);
        self.check_lower_names(below, findings);
    }

    /// Names are unique, a variant's also against the recipe's.
    fn check_names(&self, findings: &Findings<'_>) {
        for (at, declared) in self.own.iter().enumerate() {
            check_unique(declared, self.own[..at].iter(), findings);
        }
        for (variant, _) in self.variants.values() {
            for (at, declared) in variant.iter().enumerate() {
                check_unique(declared, self.own.iter().chain(&variant[..at]), findings);
            }
        }
    }

    /// Packages come from somewhere.
    fn check_origin(&self, has_origin: bool, findings: &Findings<'_>) {
        let archive = |package: &&PackageSpec| !matches!(package, PackageSpec::Local(_));
        let named = self.all().flat_map(|declared| &declared.layer.packages).filter(archive);
        if let Some(package) = named.min_by_key(|package| package.span().start)
            && !has_origin
        {
            let message = format!("nothing says where {} comes from", quoted(&package.to_string()));
            let hint = "add `from = \"debian:trixie\"`, or a `[[repository]]`";
            findings.context(&package.span(), message, hint);
        }
    }

    /// A layer is not called as one of a base is.
    fn check_lower_names(&self, below: Option<&Recipe>, findings: &Findings<'_>) {
        let lower: BTreeMap<&str, &Recipe> = below
            .into_iter()
            .flat_map(Recipe::stack)
            .flat_map(|recipe| recipe.layers.iter().map(move |layer| (layer.name.as_str(), recipe)))
            .collect();
        for declared in self.all() {
            let name = &declared.layer.name;
            if let Some(recipe) = lower.get(name.as_str()) {
                let message =
                    format!("the base `{}` has a layer {} already", recipe.path.display(), quoted(name));
                findings.context(&declared.span, message, "give it another name");
            }
        }
    }

    fn plain(self) -> (Vec<Layer>, BTreeMap<String, Variant>) {
        let plain =
            |layers: Vec<Declared>| layers.into_iter().map(|declared| declared.layer).collect::<Vec<_>>();
        let variants = self.variants.into_iter();
        let variants =
            variants.map(|(name, (layers, tests))| (name, Variant { layers: plain(layers), tests }));
        (plain(self.own), variants.collect())
    }
}

fn read_variants(
    value: &Value<'_>,
    packages: &Grammar<'_>,
    mentions: &mut Mentions,
) -> BTreeMap<String, (Vec<Declared>, Vec<Test>)> {
    let Some(mut table) = value.table("`[variant.NAME]`") else { return BTreeMap::new() };
    let findings = table.findings;
    let mut variants = BTreeMap::new();
    for variant in table.remaining() {
        check_name("variant", &variant.key_text(), findings);
        let name = variant.key.clone();
        let Some(mut table) = variant.table(format!("`[variant.{name}]`")) else { continue };
        let header = format!("variant.{name}.layer");
        let layers = table.required_tables("layer", &header);
        let layers = layers.map(|value| layer::read(&value, &header, packages, mentions)).unwrap_or_default();
        let tests = table.take("test");
        let tests = tests.map(|value| Test::read_all(&value, &format!("variant.{name}.test")));
        table.finish();
        variants.insert(name, (layers, tests.unwrap_or_default()));
    }
    variants
}

/// What an image is made of is not known before it is opened; `lacking` is the key, where nothing says it.
fn check_image(lacking: Option<&Value<'_>>, findings: &Findings<'_>) {
    if let Some(value) = lacking {
        let hint =
            "say what the image is made of, such as `from = \"debian:trixie\"`, or give a `[[repository]]`";
        findings.context(&value.span, "`from` is needed beside a base that is an image", hint);
    }
}

fn check_unique<'a>(
    declared: &Declared,
    mut earlier: impl Iterator<Item = &'a Declared>,
    findings: &Findings<'_>,
) {
    let name = &declared.layer.name;
    if let Some(first) = earlier.find(|other| other.layer.name == *name)
        && !name.is_empty()
    {
        let hint = format!("the first is at line {}", findings.line(first.span.start));
        findings.context(&declared.span, format!("there is a layer {} already", quoted(name)), hint);
    }
}
