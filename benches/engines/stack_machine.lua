local PUSH, ADD, SUB, MUL, MOD, LOAD, STORE, LESS, JUMP, JUMP_IF_NOT, HALT = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10

local function run(code, variables)
  local stack = {}
  for i = 0, 15 do stack[i] = 0 end
  local top, at, steps = -1, 0, 0
  while true do
    local op = code[at]
    at = at + 1
    steps = steps + 1
    if op == PUSH then
      top = top + 1
      stack[top] = code[at]
      at = at + 1
    elseif op == LOAD then
      top = top + 1
      stack[top] = variables[code[at]]
      at = at + 1
    elseif op == STORE then
      variables[code[at]] = stack[top]
      top = top - 1
      at = at + 1
    elseif op == ADD then
      top = top - 1
      stack[top] = stack[top] + stack[top + 1]
    elseif op == SUB then
      top = top - 1
      stack[top] = stack[top] - stack[top + 1]
    elseif op == MUL then
      top = top - 1
      stack[top] = stack[top] * stack[top + 1]
    elseif op == MOD then
      top = top - 1
      stack[top] = stack[top] % stack[top + 1]
    elseif op == LESS then
      top = top - 1
      stack[top] = stack[top] < stack[top + 1] and 1 or 0
    elseif op == JUMP then
      at = code[at]
    elseif op == JUMP_IF_NOT then
      if stack[top] == 0 then at = code[at] else at = at + 1 end
      top = top - 1
    else
      return steps
    end
  end
end

local function main()
  local turns = 500000
  local i, sum = 0, 1
  local program = {
    LOAD, i, PUSH, turns, LESS, JUMP_IF_NOT, 29,
    LOAD, sum, PUSH, 31, MUL, LOAD, i, ADD, PUSH, 65521, MOD, STORE, sum,
    LOAD, i, PUSH, 1, ADD, STORE, i,
    JUMP, 0, HALT,
  }
  local code = {}
  for k = 1, #program do code[k - 1] = program[k] end
  local variables = { [0] = 0, 7 }
  local steps = run(code, variables)
  print(string.format("%d %d", steps, variables[1]))
end
main()
