//! The arms of the dispatch loop: globals, captures and cells.
//!
//! A macro whose first argument names the macro for what comes next; see `arms` in the loop.

macro_rules! variables {
    ([$next:ident $($more:ident)*] $vm:ident $ip:ident $base:ident $code:lifetime { $($arms:tt)* }) => {
        $next! { [$($more)*] $vm $ip $base $code {
            $($arms)*
            Op::GetGlobal => {
                let slot = wide!($ip) as u32;
                let value = *$vm.globals.add(slot as usize);
                if value.tag == tag::UNSET {
                    break $code $vm.undefined_global(slot);
                }
                *reg!($ip, $base, 1) = value;
                value.retain();
                next!()
            }
            Op::SetGlobal => {
                check!($vm.store_global($ip, $base, false));
                next!()
            }
            Op::DeclareGlobal => {
                check!($vm.store_global($ip, $base, true));
                next!()
            }
            Op::AddGlobal => {
                check!($vm.add_global($ip, $base));
                next!(2)
            }
            Op::GetCapture => {
                let value = *call::capture($base, field!($ip, 2));
                *reg!($ip, $base, 1) = value;
                value.retain();
                next!()
            }
            Op::GetCaptureCell => {
                let cell = *call::capture($base, field!($ip, 2));
                let value = cell.object::<aether_value::Cell>().get_raw();
                if value.tag == tag::UNSET {
                    break $code $vm.undefined_here($ip, $base);
                }
                *reg!($ip, $base, 1) = value;
                value.retain();
                next!()
            }
            Op::SetCaptureCell => {
                let cell = *call::capture($base, field!($ip, 2));
                let cell = cell.object::<aether_value::Cell>();
                if cell.get_raw().tag == tag::UNSET {
                    break $code $vm.undefined_here($ip, $base);
                }
                let old = cell.replace_raw(take!(reg!($ip, $base, 1)));
                old.release();
                next!()
            }
            Op::NewCell => {
                check!($vm.new_cell($ip, $base));
                next!()
            }
            Op::NewUnsetCell => {
                check!($vm.new_unset_cell($ip, $base));
                next!()
            }
            Op::GetCell => {
                let value = (*reg!($ip, $base, 2)).object::<aether_value::Cell>().get_raw();
                if value.tag == tag::UNSET {
                    break $code $vm.undefined_here($ip, $base);
                }
                *reg!($ip, $base, 1) = value;
                value.retain();
                next!()
            }
            Op::SetCell => {
                let cell = (*reg!($ip, $base, 1)).object::<aether_value::Cell>();
                if cell.get_raw().tag == tag::UNSET {
                    break $code $vm.undefined_here($ip, $base);
                }
                let old = cell.replace_raw(take!(reg!($ip, $base, 2)));
                old.release();
                next!()
            }
            Op::InitCell => {
                let cell = (*reg!($ip, $base, 1)).object::<aether_value::Cell>();
                let old = cell.replace_raw(take!(reg!($ip, $base, 2)));
                if old.tag != tag::UNSET {
                    old.release();
                }
                next!()
            }
            Op::AddCell => {
                add_cell!(*reg!($ip, $base, 2));
            }
            Op::AddCaptureCell => {
                add_cell!(*call::capture($base, field!($ip, 2)));
            }
        } }
    };
}
