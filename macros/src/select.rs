//! What `heist::select!` expands to.
//!
//! A branch is `pattern = future, if condition => handler,`. The expansion has three steps. Each has a place of its
//! own, so that borrows end where a reader expects it:
//! 1. The conditions are evaluated in order into a mask of disabled branches, one bit for each branch.
//! 2. The futures are evaluated in order and pinned. Then they are polled from a random branch on (with `biased;` from
//!    the first), until one is ready with a value that its pattern takes. All of them are dropped here.
//! 3. The handler of that branch runs, outside of any closure: `?`, `return`, `break` and `.await` mean the same as
//!    outside the `select!`.
//!
//! The pattern is in the expansion twice, each time as it was written: in step 3, and in step 2, where the value must
//! stay whole. There it has a guard that notes that the pattern fits and then fails. If a guard fails, nothing is
//! bound.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, Ident, Pat, Token};

/// The mask of disabled branches has this many bits.
const MAX_BRANCHES: usize = 64;

struct Branch {
    pattern: Pat,
    future: Expr,
    condition: Option<Expr>,
    handler: Expr,
}

struct Select {
    /// The path of the crate. It is `$crate` in the macro that calls this one.
    heist: TokenTree,
    biased: bool,
    branches: Vec<Branch>,
    otherwise: Option<Expr>,
}

mod keyword {
    syn::custom_keyword!(biased);
}

impl Parse for Select {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let heist = input.parse()?;
        let biased = input.peek(keyword::biased) && input.peek2(Token![;]);
        if biased {
            input.parse::<keyword::biased>()?;
            input.parse::<Token![;]>()?;
        }
        let (mut branches, mut otherwise) = (Vec::new(), None);
        while !input.is_empty() {
            if input.peek(Token![else]) {
                input.parse::<Token![else]>()?;
                otherwise = Some(parse_handler(input)?);
                if !input.is_empty() {
                    return Err(input.error("`else` must be the last branch of `select!`"));
                }
                break;
            }
            branches.push(Branch::parse(input)?);
        }
        if branches.is_empty() && otherwise.is_none() {
            return Err(Error::new(
                Span::call_site(),
                "`select!` needs at least one branch",
            ));
        }
        if branches.len() > MAX_BRANCHES {
            return Err(Error::new(
                Span::call_site(),
                format!("`select!` takes at most {MAX_BRANCHES} branches"),
            ));
        }
        Ok(Self {
            heist,
            biased,
            branches,
            otherwise,
        })
    }
}

impl Branch {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let pattern = Pat::parse_multi_with_leading_vert(input)?;
        input.parse::<Token![=]>()?;
        let future = input.parse()?;
        let mut condition = None;
        if input.peek(Token![,]) {
            input.parse::<Token![,]>()?;
            if !input.peek(Token![if]) {
                return Err(
                    input.error("expected `if condition` or, instead of the comma, `=> handler`")
                );
            }
            input.parse::<Token![if]>()?;
            condition = Some(input.parse()?);
        }
        Ok(Self {
            pattern,
            future,
            condition,
            handler: parse_handler(input)?,
        })
    }
}

/// `=> handler`, and the comma after it. A block and the last handler need no comma.
fn parse_handler(input: ParseStream<'_>) -> syn::Result<Expr> {
    input.parse::<Token![=>]>()?;
    let handler = Expr::parse_with_earlier_boundary_rule(input)?;
    if input.peek(Token![,]) || !(input.is_empty() || matches!(handler, Expr::Block(_))) {
        input.parse::<Token![,]>()?;
    }
    Ok(handler)
}

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    match syn::parse2::<Select>(input) {
        Ok(select) => select.expand(),
        Err(error) => error.into_compile_error(),
    }
}

impl Select {
    fn expand(&self) -> TokenStream {
        let heist = &self.heist;
        let support = quote!(#heist::macros::support);
        let otherwise = match &self.otherwise {
            Some(handler) => quote!(#handler),
            None => quote!(::core::panic!(
                "all branches are disabled and there is no else branch"
            )),
        };
        if self.branches.is_empty() {
            return otherwise;
        }
        let variants = self.variants();
        let (patterns, handlers) = self.each(|branch| (&branch.pattern, &branch.handler));
        let step = self.step(&support);
        // Locals of the expansion can neither be seen by the user's code nor shadow the user's. An item can, so it has
        // a name that nobody else uses.
        let (disabled, output) = (local("disabled"), local("output"));
        let conditions = self
            .branches
            .iter()
            .enumerate()
            .filter_map(|(index, branch)| {
                let condition = branch.condition.as_ref()?;
                let bit = bit(index);
                Some(quote!(if !(#condition) { #disabled |= #bit; }))
            });
        quote! {{
            #[doc(hidden)]
            enum __HeistSelected<#(#variants),*> {
                #(#variants(#variants),)*
                None,
            }
            #[allow(unused_mut)]
            let mut #disabled: u64 = 0;
            #(#conditions)*
            // A pattern may bind by `ref mut`.
            #[allow(unused_mut)]
            let mut #output = { #step };
            #[allow(unreachable_patterns)]
            match #output {
                #(__HeistSelected::#variants(#patterns) => #handlers,)*
                __HeistSelected::None => #otherwise,
                _ => ::core::unreachable!("the pattern took the value when it was polled"),
            }
        }}
    }

    /// Step 2: pins and polls the futures.
    fn step(&self, support: &TokenStream) -> TokenStream {
        let count = self.branches.len() as u32;
        let start = if self.biased {
            quote!(0)
        } else {
            quote!(#support::random_below(#count))
        };
        let (disabled, context, pending) = (local("disabled"), local("context"), local("pending"));
        let (lap, branch, value, fits) =
            (local("lap"), local("branch"), local("value"), local("fits"));
        let pinned = self.branches.iter().enumerate().map(|(index, branch)| {
            let (name, future) = (local(&format!("future_{index}")), &branch.future);
            quote! {
                // What is around a future in the branch isn't here, so its parentheses would seem to be too much.
                #[allow(unused_parens, unused_braces)]
                let #name = #future;
                let #name = #support::IntoFuture::into_future(#name);
                let mut #name = #support::pin!(#name);
            }
        });
        let polls = self.branches.iter().zip(self.variants()).enumerate().map(|(index, (branch, variant))| {
            let (name, bit, number) = (local(&format!("future_{index}")), bit(index), index as u32);
            let pattern = &branch.pattern;
            quote! {
                #number => {
                    if #disabled & #bit != 0 {
                        continue;
                    }
                    #[allow(unused_mut)]
                    let mut #value = match #support::Future::poll(#name.as_mut(), #context) {
                        #support::Poll::Ready(#value) => #value,
                        #support::Poll::Pending => {
                            #pending = true;
                            continue;
                        }
                    };
                    #disabled |= #bit;
                    let mut #fits = false;
                    #[allow(unused_variables, unused_mut, unreachable_patterns)]
                    match #value {
                        #pattern if { #fits = true; false } => ::core::unreachable!("its guard fails"),
                        _ => {}
                    }
                    if #fits {
                        return #support::Poll::Ready(__HeistSelected::#variant(#value));
                    }
                }
            }
        });
        quote! {
            #(#pinned)*
            #support::poll_fn(|#context| {
                if #support::out_of_budget(#context) {
                    return #support::Poll::Pending;
                }
                let mut #pending = false;
                let #branch: u32 = #start;
                for #lap in 0..#count {
                    #[allow(unreachable_code, clippy::modulo_one)]
                    match (#branch + #lap) % #count {
                        #(#polls)*
                        _ => ::core::unreachable!("there are no more branches"),
                    }
                }
                if #pending { #support::Poll::Pending } else { #support::Poll::Ready(__HeistSelected::None) }
            })
            .await
        }
    }

    fn variants(&self) -> Vec<Ident> {
        (0..self.branches.len())
            .map(|index| format_ident!("_{index}"))
            .collect()
    }

    fn each<'a, A, B>(&'a self, f: impl Fn(&'a Branch) -> (A, B)) -> (Vec<A>, Vec<B>) {
        self.branches.iter().map(f).unzip()
    }
}

/// A local variable of the expansion, which the user's code can't reach.
fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

fn bit(index: usize) -> TokenStream {
    let bit = 1u64 << index;
    quote!(#bit)
}
