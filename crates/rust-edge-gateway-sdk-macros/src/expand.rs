//! Writes what `#[handler]` adds to a function.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Item, ItemFn, Result, ReturnType};

use crate::signature::{self, Argument};

/// The function as it stands, and the library's entry points; or an error in their place.
pub(crate) fn handler(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let checked = parse(&attribute, item.clone()).and_then(|function| Ok((signature::check(&function)?, function)));
    match checked {
        Ok((arguments, function)) => {
            let image = image(&function, &arguments);
            quote!(#function #image)
        }
        // The function stays, so that its uses give no errors beside the one that matters.
        Err(error) => {
            let error = error.to_compile_error();
            quote!(#item #error)
        }
    }
}

fn parse(attribute: &TokenStream, item: TokenStream) -> Result<ItemFn> {
    if !attribute.is_empty() {
        return Err(Error::new_spanned(
            attribute,
            "`#[handler]` takes no arguments: path, method and limits belong to the endpoint",
        ));
    }
    match syn::parse2(item)? {
        Item::Fn(function) => Ok(function),
        other => Err(Error::new_spanned(
            other,
            "`#[handler]` belongs on a function: `fn handle(req: Request) -> Response`",
        )),
    }
}

/// The constant's name is what the compiler says about a second handler: that this is defined multiple times.
fn image(function: &ItemFn, arguments: &[Argument]) -> TokenStream {
    let only_one = Ident::new(
        "only_one_function_of_a_file_can_be_the_handler",
        function.sig.ident.span(),
    );
    let start = start(function, arguments);
    // A documentation test is an executable without `cfg(test)`; with an image's libc it would not even start.
    let exports = match std::env::var_os("UNSTABLE_RUSTDOC_TEST_PATH") {
        Some(_) => TokenStream::new(),
        None => quote!(#[cfg(not(test))] ::rust_edge_gateway_sdk::__image!(__start);),
    };
    quote! {
        #[doc(hidden)]
        #[allow(non_upper_case_globals)]
        const #only_one: ::rust_edge_gateway_sdk::image::Start = {
            #start
            #exports
            __start
        };
    }
}

/// The future owns context and request, so that the handler can borrow them across its awaits. Names begin with
/// underscores because the handler may have any other.
fn start(function: &ItemFn, arguments: &[Argument]) -> TokenStream {
    let name = &function.sig.ident;
    let arguments = arguments.iter().map(|argument| match argument {
        Argument::Context => quote!(&__context),
        Argument::Request => quote!(__request),
        Argument::RequestReference => quote!(&__request),
    });
    let awaited = function.sig.asyncness.is_some().then(|| quote!(.await));
    // That a type is no response is told where the type stands.
    let returned = match &function.sig.output {
        ReturnType::Type(_, returned) => returned.span(),
        ReturnType::Default => name.span(),
    };
    let answer = Ident::new("__answer", returned);
    let respond = quote_spanned!(returned=> ::rust_edge_gateway_sdk::IntoResponse::into_response(#answer));
    quote! {
        #[allow(clippy::let_unit_value)]
        fn __start(
            __context: ::rust_edge_gateway_sdk::Context,
            __request: ::rust_edge_gateway_sdk::Request,
        ) -> ::rust_edge_gateway_sdk::image::HandlerFuture {
            ::std::boxed::Box::pin(async move {
                let _ = (&__context, &__request);
                let #answer = #name(#(#arguments),*) #awaited;
                #respond
            })
        }
    }
}
