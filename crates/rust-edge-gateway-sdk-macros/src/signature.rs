//! Reads the signature of a handler, and says what is wrong with one that cannot be used.

use syn::spanned::Spanned;
use syn::{Error, FnArg, ItemFn, Pat, Result, ReturnType, Safety, Signature, Token, Type};

const FORM: &str = "`fn handle(ctx: &Context, req: Request) -> Response`";

/// What a handler takes for an argument.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Argument {
    Context,
    Request,
    RequestReference,
}

/// Checks everything about a handler's signature that the compiler's own errors would not explain, and gives its
/// arguments.
pub(crate) fn check(function: &ItemFn) -> Result<Vec<Argument>> {
    let signature = &function.sig;
    refuse(
        &signature.constness,
        "a handler cannot be `const`: it runs anew for each request, leave `const` away",
    )?;
    refuse(
        &unsafety(signature),
        "a handler cannot be `unsafe`: put the unsafe part into a function of its own",
    )?;
    refuse(
        &signature.abi,
        "a handler is an ordinary function: leave `extern` away, the entry points are generated",
    )?;
    refuse(
        &signature.variadic,
        &format!("a handler has a fixed number of arguments: {FORM}"),
    )?;
    check_generics(signature)?;
    let arguments = check_arguments(signature)?;
    check_return_type(signature)?;
    Ok(arguments)
}

fn unsafety(signature: &Signature) -> Option<Token![unsafe]> {
    match &signature.safety {
        Safety::Unsafe(token) => Some(*token),
        _ => None,
    }
}

fn refuse<T: Spanned>(part: &Option<T>, message: &str) -> Result<()> {
    match part {
        Some(part) => Err(Error::new(part.span(), message)),
        None => Ok(()),
    }
}

fn check_generics(signature: &Signature) -> Result<()> {
    let message = "a handler cannot be generic: the gateway calls it with `&Context` and `Request`, put what is generic into a function of its own";
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(&signature.generics, message));
    }
    refuse(&signature.generics.where_clause, message)
}

fn check_arguments(signature: &Signature) -> Result<Vec<Argument>> {
    let mut arguments = Vec::new();
    for input in &signature.inputs {
        let (argument, what) = match argument(input)? {
            Argument::Context => (Argument::Context, "`&Context`"),
            request => (request, "`Request`"),
        };
        let is_context = |known: &Argument| *known == Argument::Context;
        if arguments.iter().any(|known| is_context(known) == is_context(&argument)) {
            return Err(Error::new_spanned(
                input,
                format!("a handler takes {what} only once: {FORM}"),
            ));
        }
        arguments.push(argument);
    }
    Ok(arguments)
}

fn argument(input: &FnArg) -> Result<Argument> {
    let typed = match input {
        FnArg::Receiver(receiver) => {
            return Err(Error::new_spanned(
                receiver,
                format!("a handler is a function of its own, not a method: {FORM}"),
            ))
        }
        FnArg::Typed(typed) => typed,
    };
    let (referenced, reference) = match ungrouped(&typed.ty) {
        Type::Reference(reference) => (ungrouped(&reference.elem), Some(reference)),
        by_value => (by_value, None),
    };
    let mutable = reference.and_then(|reference| reference.mutability);
    match (last_name(referenced).as_deref(), reference) {
        (Some("Context"), None) => Err(Error::new_spanned(
            &typed.ty,
            "the context is borrowed: write `&Context`",
        )),
        (Some("Context" | "Request"), Some(_)) if mutable.is_some() => Err(Error::new_spanned(
            &typed.ty,
            "a handler cannot borrow mutably: write `&Context`, and `mut req: Request`",
        )),
        (Some("Context"), Some(_)) => Ok(Argument::Context),
        (Some("Request"), Some(_)) => Ok(Argument::RequestReference),
        (Some("Request"), None) => Ok(Argument::Request),
        _ => Err(unknown_argument(&typed.pat, &typed.ty)),
    }
}

fn unknown_argument(name: &Pat, argument: &Type) -> Error {
    let hint = match name {
        Pat::Ident(name) if name.ident == "body" => "; a body is read by `req.json()`",
        _ => "; other values come from the request: `req.json()`, `req.path_param(\"id\")`",
    };
    Error::new_spanned(
        argument,
        format!("a handler takes `&Context` and `Request`, nothing else{hint}"),
    )
}

/// A type that a macro was given comes in a group that nobody sees.
fn ungrouped(argument: &Type) -> &Type {
    match argument {
        Type::Group(group) => ungrouped(&group.elem),
        other => other,
    }
}

/// `Context` of `rust_edge_gateway_sdk::Context`.
fn last_name(argument: &Type) -> Option<String> {
    match argument {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        _ => None,
    }
}

fn check_return_type(signature: &Signature) -> Result<()> {
    match &signature.output {
        ReturnType::Type(..) => Ok(()),
        ReturnType::Default => Err(Error::new_spanned(
            signature,
            "a handler returns its answer: write `-> Response`, or anything that implements `IntoResponse`",
        )),
    }
}
