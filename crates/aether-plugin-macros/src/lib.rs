//! The attribute of `aether-plugin`: from a module of functions to wrappers, a table and an entry point.
#![forbid(unsafe_code)]

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Error, FnArg, Item, ItemFn, ItemMod, ReturnType, Safety, Type, Visibility};

/// Makes every `pub fn` of a module a function of the plugin. See the crate `aether-plugin`.
#[proc_macro_attribute]
pub fn plugin(
    arguments: proc_macro::TokenStream,
    module: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    let arguments = TokenStream::from(arguments);
    let made = if arguments.is_empty() {
        syn::parse::<ItemMod>(module).and_then(|module| expand(&module))
    } else {
        Err(Error::new_spanned(arguments, "`plugin` takes no arguments"))
    };
    made.unwrap_or_else(|error| error.to_compile_error()).into()
}

fn expand(module: &ItemMod) -> Result<TokenStream, Error> {
    let Some((_, items)) = &module.content else {
        return Err(Error::new_spanned(
            module,
            "`plugin` needs the module's functions in place: `mod name { … }`",
        ));
    };
    let functions: Vec<&ItemFn> = items
        .iter()
        .filter_map(|item| match item {
            Item::Fn(function) if matches!(function.vis, Visibility::Public(_)) => Some(function),
            _ => None,
        })
        .collect();
    if functions.is_empty() {
        return Err(Error::new_spanned(
            module,
            "`plugin` found no `pub fn` in the module",
        ));
    }
    let mut only_ints = true;
    for function in &functions {
        only_ints &= check(function)?;
    }
    let (version, init) = if only_ints {
        (1, format_ident!("aether_plugin_init"))
    } else {
        (2, format_ident!("aether_plugin_init_v2"))
    };
    let path = &module.ident;
    let wrappers = functions.iter().map(|function| {
        if only_ints {
            wrapper_v1(path, function)
        } else {
            wrapper_v2(path, function)
        }
    });
    let entries = functions.iter().map(|function| {
        let wrapper = wrapper_name(function);
        let name = format!("{}\0", plain_name(function));
        quote! {
            ::aether_plugin::Entry { name: #name, function: #wrapper as *const ::core::ffi::c_void }
        }
    });
    Ok(quote! {
        #[allow(
            clippy::needless_pass_by_value,
            clippy::implicit_hasher,
            reason = "functions own what they are given, in the types that cross"
        )]
        #module

        #[allow(unsafe_code, reason = "the C interface")]
        const _: () = {
            #(#wrappers)*

            #[unsafe(no_mangle)]
            extern "C" fn #init() -> *const ::aether_plugin::Table {
                ::aether_plugin::table(#version, &[#(#entries),*])
            }
        };
    })
}

fn plain_name(function: &ItemFn) -> String {
    function.sig.ident.to_string().trim_start_matches("r#").to_owned()
}

fn wrapper_name(function: &ItemFn) -> syn::Ident {
    format_ident!("wrap_{}", plain_name(function))
}

/// Refuses what cannot cross; whether all types are `i64`.
fn check(function: &ItemFn) -> Result<bool, Error> {
    let signature = &function.sig;
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &signature.generics,
            "a function of a plugin has no generic parameters",
        ));
    }
    if let Some(token) = &signature.asyncness {
        return Err(Error::new_spanned(token, "calls of a plugin are synchronous"));
    }
    if let Safety::Unsafe(token) = &signature.safety {
        return Err(Error::new_spanned(
            token,
            "scripts cannot keep what an unsafe function asks for",
        ));
    }
    if let Some(token) = &signature.variadic {
        return Err(Error::new_spanned(
            token,
            "a function of a plugin has a fixed number of parameters",
        ));
    }
    let mut only_ints = matches!(&signature.output, ReturnType::Type(_, ty) if is_i64(ty));
    for input in &signature.inputs {
        match input {
            FnArg::Typed(input) => only_ints &= is_i64(&input.ty),
            FnArg::Receiver(receiver) => {
                return Err(Error::new_spanned(
                    receiver,
                    "a function of a plugin has no receiver",
                ));
            }
        }
    }
    Ok(only_ints)
}

fn is_i64(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.qself.is_none() && path.path.is_ident("i64"))
}

fn wrapper_v1(module: &syn::Ident, function: &ItemFn) -> TokenStream {
    let (wrapper, name) = (wrapper_name(function), &function.sig.ident);
    let arity = function.sig.inputs.len();
    let indices = 0..arity;
    quote! {
        unsafe extern "C" fn #wrapper(argv: *const i64, argc: ::core::ffi::c_int) -> i64 {
            // SAFETY: the loading program's promise.
            unsafe {
                ::aether_plugin::call_v1(argv, argc, #arity, |arguments| {
                    let _ = arguments;
                    #module::#name(#(arguments[#indices]),*)
                })
            }
        }
    }
}

fn wrapper_v2(module: &syn::Ident, function: &ItemFn) -> TokenStream {
    let (wrapper, name) = (wrapper_name(function), &function.sig.ident);
    let arity = function.sig.inputs.len();
    let indices = 0..arity;
    quote! {
        unsafe extern "C" fn #wrapper(
            argv: *const *mut ::core::ffi::c_void,
            argc: ::core::ffi::c_int,
            error: *mut *mut ::core::ffi::c_void,
        ) -> *mut ::core::ffi::c_void {
            // SAFETY: the loading program's promise.
            unsafe {
                ::aether_plugin::call_v2(argv, argc, error, #arity, |arguments| {
                    let _ = arguments;
                    ::aether_plugin::outcome(#module::#name(
                        #(::aether_plugin::argument(arguments, #indices)?),*
                    ))
                })
            }
        }
    }
}
