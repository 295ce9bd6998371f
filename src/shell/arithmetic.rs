//! Arithmetic expansion (XCU 2.6.4), on 64-bit integers.

use brush_parser::ast::{
    ArithmeticExpr, ArithmeticTarget, BinaryOperator, UnaryAssignmentOperator, UnaryOperator,
};

use super::World;
use super::parse;
use super::state::Shell;
use super::text::is_known;

impl<W: World> Shell<W> {
    /// The value of an expression; none if it is not known or there is none, which is told.
    pub(super) fn expression(&mut self, text: &str) -> Option<i64> {
        let expanded = self.quoted(text)?;
        if !is_known(&expanded) {
            return None;
        }
        match parse::arithmetic(&expanded) {
            Ok(expression) => self.value_of(&expression),
            Err(error) => {
                self.tell(text, error.to_string());
                None
            }
        }
    }

    fn value_of(&mut self, expression: &ArithmeticExpr) -> Option<i64> {
        match expression {
            ArithmeticExpr::Literal(value) => Some(*value),
            ArithmeticExpr::Reference(target) => self.number(target),
            ArithmeticExpr::UnaryOp(operator, operand) => {
                let value = self.value_of(operand)?;
                Some(match operator {
                    UnaryOperator::UnaryPlus => value,
                    UnaryOperator::UnaryMinus => value.wrapping_neg(),
                    UnaryOperator::BitwiseNot => !value,
                    UnaryOperator::LogicalNot => i64::from(value == 0),
                })
            }
            ArithmeticExpr::BinaryOp(operator, left, right) => {
                let left = self.value_of(left)?;
                match operator {
                    BinaryOperator::LogicalAnd if left == 0 => return Some(0),
                    BinaryOperator::LogicalOr if left != 0 => return Some(1),
                    _ => {}
                }
                let right = self.value_of(right)?;
                combined(*operator, left, right)
            }
            ArithmeticExpr::Conditional(condition, then, otherwise) => {
                let chosen = if self.value_of(condition)? == 0 { otherwise } else { then };
                self.value_of(chosen)
            }
            ArithmeticExpr::Assignment(target, value) => {
                let value = self.value_of(value)?;
                self.store(target, value)
            }
            ArithmeticExpr::BinaryAssignment(operator, target, value) => {
                let (old, value) = (self.number(target)?, self.value_of(value)?);
                let new = combined(*operator, old, value)?;
                self.store(target, new)
            }
            ArithmeticExpr::UnaryAssignment(operator, target) => {
                let old = self.number(target)?;
                let (step, after) = match operator {
                    UnaryAssignmentOperator::PrefixIncrement => (1, true),
                    UnaryAssignmentOperator::PrefixDecrement => (-1, true),
                    UnaryAssignmentOperator::PostfixIncrement => (1, false),
                    UnaryAssignmentOperator::PostfixDecrement => (-1, false),
                };
                let new = old.wrapping_add(step);
                self.store(target, new)?;
                Some(if after { new } else { old })
            }
        }
    }

    fn number(&mut self, target: &ArithmeticTarget) -> Option<i64> {
        let ArithmeticTarget::Variable(name) = target else { return None };
        let text = self.variable(name).unwrap_or_default().trim().to_owned();
        if text.is_empty() { Some(0) } else { integer(&text) }
    }

    fn store(&mut self, target: &ArithmeticTarget, value: i64) -> Option<i64> {
        let ArithmeticTarget::Variable(name) = target else { return None };
        self.assign(name, value.to_string());
        Some(value)
    }
}

/// Decimal, octal with `0`, hexadecimal with `0x`.
pub(super) fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        i64::from_str_radix(hex, 16).ok()?
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8).ok()?
    } else {
        digits.parse().ok()?
    };
    value.checked_mul(sign)
}

fn combined(operator: BinaryOperator, a: i64, b: i64) -> Option<i64> {
    let shift = || u32::try_from(b).ok();
    Some(match operator {
        BinaryOperator::Power => a.checked_pow(u32::try_from(b).ok()?)?,
        BinaryOperator::Multiply => a.wrapping_mul(b),
        BinaryOperator::Divide => a.checked_div(b)?,
        BinaryOperator::Modulo => a.checked_rem(b)?,
        BinaryOperator::Comma => b,
        BinaryOperator::Add => a.wrapping_add(b),
        BinaryOperator::Subtract => a.wrapping_sub(b),
        BinaryOperator::ShiftLeft => a.checked_shl(shift()?)?,
        BinaryOperator::ShiftRight => a.checked_shr(shift()?)?,
        BinaryOperator::LessThan => i64::from(a < b),
        BinaryOperator::LessThanOrEqualTo => i64::from(a <= b),
        BinaryOperator::GreaterThan => i64::from(a > b),
        BinaryOperator::GreaterThanOrEqualTo => i64::from(a >= b),
        BinaryOperator::Equals => i64::from(a == b),
        BinaryOperator::NotEquals => i64::from(a != b),
        BinaryOperator::BitwiseAnd => a & b,
        BinaryOperator::BitwiseXor => a ^ b,
        BinaryOperator::BitwiseOr => a | b,
        BinaryOperator::LogicalAnd => i64::from(a != 0 && b != 0),
        BinaryOperator::LogicalOr => i64::from(a != 0 || b != 0),
    })
}
