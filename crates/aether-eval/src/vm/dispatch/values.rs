//! The arms of the dispatch loop: copies, constants and moves between registers.
//!
//! A macro whose first argument names the macro for what comes next; see `arms` in the loop.

macro_rules! values {
    ([$next:ident $($more:ident)*] $vm:ident $ip:ident $base:ident $code:lifetime { $($arms:tt)* }) => {
        $next! { [$($more)*] $vm $ip $base $code {
            $($arms)*
            Op::Nop => next!(),
            Op::Copy => {
                let value = *reg!($ip, $base, 2);
                *reg!($ip, $base, 1) = value;
                value.retain();
                next!()
            }
            Op::Move => {
                *reg!($ip, $base, 1) = take!(reg!($ip, $base, 2));
                next!()
            }
            Op::Assign => {
                let value = take!(reg!($ip, $base, 2));
                let to = reg!($ip, $base, 1);
                let old = *to;
                *to = value;
                old.release();
                next!()
            }
            Op::AssignCopy => {
                let value = *reg!($ip, $base, 2);
                value.retain();
                let to = reg!($ip, $base, 1);
                let old = *to;
                *to = value;
                old.release();
                next!()
            }
            Op::LoadInt => set_int!(reg!($ip, $base, 1), i64::from(wide!($ip))),
            Op::LoadConst => {
                let value = *$vm.constants.add(wide!($ip) as u32 as usize);
                *reg!($ip, $base, 1) = value;
                value.retain();
                next!()
            }
            Op::LoadNull => {
                *reg!($ip, $base, 1) = Raw::null();
                next!()
            }
            Op::LoadUnset => {
                *reg!($ip, $base, 1) = Raw::unset();
                next!()
            }
            Op::LoadBool => {
                *reg!($ip, $base, 1) = Raw::bool(field!($ip, 2) != 0);
                next!()
            }
            Op::LoadOwn => {
                *reg!($ip, $base, 1) = call::own_closure($base);
                next!()
            }
            Op::Drop => {
                drop_register!(1);
                next!()
            }
            Op::Drop2 => {
                drop_register!(1);
                drop_register!(2);
                next!()
            }
            Op::Drop3 => {
                drop_register!(1);
                drop_register!(2);
                drop_register!(3);
                next!()
            }
        } }
    };
}
