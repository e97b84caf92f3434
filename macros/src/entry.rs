//! `#[heist::main]` and `#[heist::test]`, and the same two for the crate `tokio` of heist.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Error, Expr, ExprLit, Ident, Lit, LitBool, LitInt, LitStr, MetaNameValue, Path,
    Signature, Token,
};
use syn::{Visibility, ext::IdentExt as _, spanned::Spanned as _};

/// Which of the two attributes is expanded.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Main,
    Test,
}

#[derive(Clone, Copy, PartialEq)]
enum Flavor {
    MultiThread,
    CurrentThread,
    Local,
}

/// A function whose body is left as it is, so that completion works in half-typed code.
struct Function {
    attributes: Vec<Attribute>,
    visibility: Visibility,
    signature: Signature,
    body: Group,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility = input.parse()?;
        let signature = input.parse()?;
        let body = match input.parse::<TokenTree>() {
            Ok(TokenTree::Group(group)) => group,
            Ok(other) => return Err(Error::new(other.span(), "expected the function's body")),
            Err(_) => return Err(input.error("the function needs a body")),
        };
        Ok(Self {
            attributes,
            visibility,
            signature,
            body,
        })
    }
}

/// The options between the parentheses of the attribute.
struct Options {
    name: Option<LitStr>,
    flavor: Flavor,
    worker_threads: Option<LitInt>,
    /// In milliseconds.
    shutdown_grace: Option<u64>,
    start_paused: Option<LitBool>,
    /// The variant of `UnhandledPanic`.
    unhandled_panic: Option<Ident>,
    /// The path of the crate, if it isn't the one that the attribute belongs to.
    heist: Option<Path>,
}

impl Options {
    fn parse(kind: Kind, tokens: TokenStream) -> syn::Result<Self> {
        let parser = |input: ParseStream<'_>| {
            Punctuated::<Named, Token![,]>::parse_terminated(input)
                .map(|all| all.into_iter().collect::<Vec<_>>())
        };
        let default = if kind == Kind::Main {
            Flavor::MultiThread
        } else {
            Flavor::CurrentThread
        };
        let (mut runtime_name, mut flavor, mut worker_threads) = (None, None, None);
        let (mut shutdown_grace, mut start_paused, mut heist) = (None, None, None);
        let mut unhandled_panic = None;
        for Named { name, value } in syn::parse::Parser::parse2(parser, tokens)? {
            match name.to_string().as_str() {
                "name" => set(&mut runtime_name, &name, parse_name(&value)?)?,
                "flavor" => set(&mut flavor, &name, parse_flavor(&value)?)?,
                "worker_threads" => set(
                    &mut worker_threads,
                    &name,
                    (name.clone(), parse_workers(&value)?),
                )?,
                "shutdown_grace" => set(&mut shutdown_grace, &name, parse_grace(&value)?)?,
                "start_paused" => set(&mut start_paused, &name, parse_paused(&value)?)?,
                "unhandled_panic" => set(&mut unhandled_panic, &name, parse_unhandled(&value)?)?,
                "crate" => set(&mut heist, &name, parse_crate(&value)?)?,
                other => {
                    let message = format!(
                        "unknown option `{other}`; the options are `name`, `flavor`, `worker_threads`, \
                         `shutdown_grace`, `start_paused`, `unhandled_panic` and `crate`"
                    );
                    return Err(Error::new(name.span(), message));
                }
            }
        }
        let flavor = flavor.unwrap_or(default);
        if let (Some((name, _)), Flavor::CurrentThread | Flavor::Local) = (&worker_threads, flavor)
        {
            let message = "`worker_threads` needs `flavor = \"multi_thread\"`: a current-thread runtime has no workers";
            return Err(Error::new(name.span(), message));
        }
        Ok(Self {
            name: runtime_name,
            flavor,
            worker_threads: worker_threads.map(|(_, count)| count),
            shutdown_grace,
            start_paused,
            unhandled_panic,
            heist,
        })
    }
}

/// `name = value`, where the name may be a keyword.
struct Named {
    name: Ident,
    value: Expr,
}

impl Parse for Named {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.call(Ident::parse_any)?;
        if !input.peek(Token![=]) {
            return Err(Error::new(
                name.span(),
                format!("expected `{name} = value`"),
            ));
        }
        input.parse::<Token![=]>()?;
        Ok(Self {
            name,
            value: input.parse()?,
        })
    }
}

fn set<T>(option: &mut Option<T>, name: &Ident, value: T) -> syn::Result<()> {
    if option.replace(value).is_some() {
        return Err(Error::new(
            name.span(),
            format!("option `{name}` is given twice"),
        ));
    }
    Ok(())
}

fn parse_name(value: &Expr) -> syn::Result<LitStr> {
    let name = literal_string(value, "`name` takes a string")?;
    if name.value().trim().is_empty() {
        return Err(Error::new(name.span(), "`name` may not be empty"));
    }
    Ok(name)
}

fn parse_flavor(value: &Expr) -> syn::Result<Flavor> {
    let text = literal_string(
        value,
        "`flavor` takes a string: \"multi_thread\", \"current_thread\" or \"local\"",
    )?;
    match text.value().as_str() {
        "multi_thread" => Ok(Flavor::MultiThread),
        "current_thread" => Ok(Flavor::CurrentThread),
        "local" => Ok(Flavor::Local),
        other => {
            let message = format!(
                "no flavor `{other}`; there are \"multi_thread\", \"current_thread\" and \"local\""
            );
            Err(Error::new(text.span(), message))
        }
    }
}

fn parse_workers(value: &Expr) -> syn::Result<LitInt> {
    let message = "`worker_threads` takes a whole number of at least 1";
    let Expr::Lit(ExprLit {
        lit: Lit::Int(count),
        ..
    }) = value
    else {
        return Err(Error::new(value.span(), message));
    };
    match count.base10_parse::<usize>() {
        Ok(1..) => Ok(count.clone()),
        _ => Err(Error::new(count.span(), message)),
    }
}

/// A duration such as `"500ms"`, `"5s"` or `"1m"`, in milliseconds.
fn parse_grace(value: &Expr) -> syn::Result<u64> {
    let message = "`shutdown_grace` takes a whole number with a unit, as a string: \"500ms\", \"5s\" or \"1m\"";
    let text = literal_string(value, message)?;
    let duration = text.value();
    let unit_at = duration
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(duration.len());
    let (number, unit) = duration.split_at(unit_at);
    let unit_ms = match unit.trim_start() {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        _ => None,
    };
    unit_ms
        .and_then(|unit_ms| number.parse::<u64>().ok()?.checked_mul(unit_ms))
        .ok_or_else(|| Error::new(text.span(), message))
}

fn parse_paused(value: &Expr) -> syn::Result<LitBool> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Bool(paused),
            ..
        }) => Ok(paused.clone()),
        other => Err(Error::new(
            other.span(),
            "`start_paused` takes `true` or `false`",
        )),
    }
}

fn parse_unhandled(value: &Expr) -> syn::Result<Ident> {
    let message = "`unhandled_panic` takes a string: \"ignore\" or \"shutdown_runtime\"";
    let text = literal_string(value, message)?;
    let variant = match text.value().as_str() {
        "ignore" => "Ignore",
        "shutdown_runtime" => "ShutdownRuntime",
        _ => return Err(Error::new(text.span(), message)),
    };
    Ok(Ident::new(
        variant,
        text.span().resolved_at(Span::mixed_site()),
    ))
}

fn parse_crate(value: &Expr) -> syn::Result<Path> {
    match value {
        // Both `crate = "path"` and `crate = path` read well; tokio takes both.
        Expr::Path(path) => Ok(path.path.clone()),
        other => literal_string(other, "`crate` takes the path of heist, as a string")?
            .parse_with(Path::parse_mod_style),
    }
}

fn literal_string(value: &Expr, message: &str) -> syn::Result<LitStr> {
    match value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Ok(text.clone()),
        other => Err(Error::new(other.span(), message)),
    }
}

/// `root` is the crate whose attribute it is: `heist` or `tokio`.
pub(crate) fn expand(
    kind: Kind,
    root: &str,
    options: TokenStream,
    item: TokenStream,
) -> TokenStream {
    let function = match syn::parse2::<Function>(item.clone()) {
        Ok(function) => function,
        Err(mut error) => {
            let name = if kind == Kind::Main { "main" } else { "test" };
            error.combine(Error::new(
                Span::call_site(),
                format!("#[{root}::{name}] goes on an async function"),
            ));
            return [error.into_compile_error(), item].into_iter().collect();
        }
    };
    match Options::parse(kind, options).and_then(|options| check(kind, &function).map(|()| options))
    {
        Ok(options) => wrap(kind, root, &options, function),
        Err(error) => [error.into_compile_error(), without_runtime(function)]
            .into_iter()
            .collect(),
    }
}

fn check(kind: Kind, function: &Function) -> syn::Result<()> {
    let signature = &function.signature;
    if signature.asyncness.is_none() {
        return Err(Error::new(
            signature.fn_token.span(),
            "the function must be async: write `async fn`",
        ));
    }
    let arguments = &signature.inputs;
    if kind == Kind::Test && !arguments.is_empty() {
        return Err(Error::new(arguments.span(), "a test takes no arguments"));
    }
    if kind == Kind::Main && signature.ident == "main" && !arguments.is_empty() {
        return Err(Error::new(arguments.span(), "`main` takes no arguments"));
    }
    match function
        .attributes
        .iter()
        .find(|attribute| kind == Kind::Test && is_test(attribute))
    {
        Some(second) => Err(Error::new(
            second.span(),
            "the function is already a test: remove this attribute",
        )),
        None => Ok(()),
    }
}

fn is_test(attribute: &Attribute) -> bool {
    let name = match &attribute.meta {
        syn::Meta::Path(path) => path,
        syn::Meta::List(list) => &list.path,
        syn::Meta::NameValue(MetaNameValue { .. }) => return false,
    };
    name.segments
        .last()
        .is_some_and(|last| last.ident == "test")
}

/// The function without `async`, which runs its body on a runtime.
fn wrap(kind: Kind, root: &str, options: &Options, function: Function) -> TokenStream {
    let Function {
        attributes,
        visibility,
        mut signature,
        body,
    } = function;
    signature.asyncness = None;
    let builder = match options.flavor {
        Flavor::MultiThread => quote!(new_multi_thread()),
        Flavor::CurrentThread | Flavor::Local => quote!(new_current_thread()),
    };
    let build = match options.flavor {
        Flavor::Local => quote!(build_local(::core::default::Default::default())),
        _ => quote!(build()),
    };
    let name = options.name.as_ref().map(|name| quote!(.name(#name)));
    let workers = options
        .worker_threads
        .as_ref()
        .map(|count| quote!(.worker_threads(#count)));
    let paused = options
        .start_paused
        .as_ref()
        .map(|paused| quote!(.start_paused(#paused)));
    let test = (kind == Kind::Test).then(|| quote!(#[::core::prelude::v1::test]));
    let future = Ident::new("body", Span::mixed_site());
    // If the body's value doesn't have the return type, the error is shown at the end of the body.
    let end = body
        .stream()
        .into_iter()
        .last()
        .map_or_else(|| body.span_close(), |last| last.span());
    let end = end.resolved_at(Span::mixed_site());
    let root = Ident::new(root, end);
    let heist = options
        .heist
        .as_ref()
        .map_or_else(|| quote_spanned!(end=> ::#root), |path| quote!(#path));
    let unhandled = options.unhandled_panic.as_ref().map(
        |variant| quote_spanned!(end=> .unhandled_panic(#heist::runtime::UnhandledPanic::#variant)),
    );
    let runtime = quote_spanned! {end=>
        #heist::runtime::Builder::#builder
            #workers
            #name
            #paused
            #unhandled
            .#build
            .expect("the runtime could not be built")
    };
    let run = match options.shutdown_grace {
        None => quote_spanned!(end=> #runtime.block_on(#future)),
        Some(ms) => quote_spanned! {end=>
            #heist::macros::support::block_on_and_shut_down(#runtime, #future, #ms)
        },
    };
    quote! {
        #test
        #(#attributes)*
        #visibility #signature {
            let #future = async #body;
            #[allow(clippy::expect_used, clippy::diverging_sub_expression)]
            {
                #run
            }
        }
    }
}

/// The function with a body that is compiled but never run, so that the error that was found stays the only one. The body
/// has the function's return type: else that of a bare `Ok(())` would be a second error.
fn without_runtime(function: Function) -> TokenStream {
    let Function {
        attributes,
        visibility,
        mut signature,
        body,
    } = function;
    signature.asyncness = None;
    if signature.ident == "main" {
        signature.inputs.clear();
    }
    let attributes = attributes
        .iter()
        .filter(|attribute| !is_test(attribute))
        .map(ToTokens::to_token_stream);
    quote! {
        #(#attributes)*
        #[allow(dead_code, unused)]
        #visibility #signature {
            fn never_run<T>(_: impl ::core::future::Future<Output = T>) -> T {
                ::core::unreachable!()
            }
            never_run(async #body)
        }
    }
}
