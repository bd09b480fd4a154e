//! Methods of types of the host from an `impl`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Error, FnArg, ImplItem, ImplItemFn, ItemImpl, ReceiverKind, Visibility};

use crate::convert::FieldOptions;

pub(crate) fn expand(item: &ItemImpl) -> Result<TokenStream, Error> {
    if item.trait_.is_some() {
        return Err(Error::new_spanned(
            item,
            "`methods` stands before an `impl` of the type's own, not before one of a trait",
        ));
    }
    let mut kept = item.clone();
    let mut calls = TokenStream::new();
    for part in &mut kept.items {
        let ImplItem::Fn(function) = part else { continue };
        let options = FieldOptions::read(&function.attrs)?;
        function
            .attrs
            .retain(|attribute| !attribute.path().is_ident("aether"));
        if matches!(function.vis, Visibility::Public(_)) && !options.skip {
            calls.extend(call(function, &options)?);
        }
    }
    let kind = &item.self_ty;
    Ok(quote! {
        #kept

        impl #kind {
            #[doc(hidden)]
            fn __aether_methods(builder: &mut ::aether::TypeBuilder<Self>) {
                #calls
                let _ = builder;
            }
        }
    })
}

/// The builder's call for a function.
fn call(function: &ImplItemFn, options: &FieldOptions) -> Result<TokenStream, Error> {
    let signature = &function.sig;
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &signature.generics,
            "a function that scripts call has no parameters of type or lifetime",
        ));
    }
    let name = &signature.ident;
    let shown = options.name(name);
    let mut receiver = None;
    let mut parameters = Vec::new();
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(this) => receiver = Some(this),
            FnArg::Typed(parameter) => parameters.push(parameter),
        }
    }
    if signature.asyncness.is_some() {
        return Err(Error::new_spanned(
            signature,
            "an async function is registered by itself: Engine::register_async",
        ));
    }
    let Some(receiver) = receiver else {
        if name == "new" {
            return Ok(quote!(builder.constructor(Self::new);));
        }
        return Ok(quote!(builder.function(#shown, Self::#name);));
    };
    let ReceiverKind::Reference(_, _, mutability) = &receiver.kind else {
        return Err(Error::new_spanned(
            receiver,
            "scripts share objects: a method takes `&self` or `&mut self`",
        ));
    };
    // The context comes first in a closure, wherever it stands behind `self`.
    let is_context = |parameter: &&&syn::PatType| {
        let kind = &parameter.ty;
        quote!(#kind).to_string().replace(' ', "").contains("Ctx<")
    };
    let context = parameters.iter().find(is_context).copied();
    let mut names = Vec::new();
    let mut typed = TokenStream::new();
    for (at, parameter) in parameters.iter().enumerate() {
        if context.is_some_and(|context| std::ptr::eq(context, *parameter)) {
            names.push(format_ident!("context"));
            continue;
        }
        let ident = format_ident!("arg{at}");
        let kind = &parameter.ty;
        typed.extend(quote!(#ident: #kind,));
        names.push(ident);
    }
    let (method, this) = if mutability.is_some() {
        (quote!(method_mut), quote!(&mut Self))
    } else {
        (quote!(method), quote!(&Self))
    };
    let context = context.map(|_| quote!(context: &mut ::aether::Ctx<'_>,));
    Ok(quote! {
        builder.#method(#shown, |#context this: #this, #typed| this.#name(#(#names),*));
    })
}
