local sub, fmod = string.sub, math.fmod
local function tokens(text)
  local result = {}
  local i, size = 1, #text
  while i <= size do
    local c = sub(text, i, i)
    if c == " " then
      i = i + 1
    elseif c >= "0" and c <= "9" then
      local value = 0
      while i <= size and sub(text, i, i) >= "0" and sub(text, i, i) <= "9" do
        value = value * 10 + tonumber(sub(text, i, i))
        i = i + 1
      end
      result[#result + 1] = { kind = "number", value = value }
    elseif c >= "a" and c <= "z" then
      result[#result + 1] = { kind = "name", value = c }
      i = i + 1
    else
      result[#result + 1] = { kind = c }
      i = i + 1
    end
  end
  result[#result + 1] = { kind = "end" }
  return result
end

local POWERS = { ["+"] = 1, ["-"] = 1, ["*"] = 2, ["%"] = 2 }
local Parser = {}
Parser.__index = Parser
function Parser:peek() return self.tokens[self.at].kind end
function Parser:primary()
  local token = self.tokens[self.at]
  self.at = self.at + 1
  if token.kind == "(" then
    local inner = self:expression(0)
    self.at = self.at + 1
    return inner
  end
  if token.kind == "-" then return { "negate", self:primary() } end
  return { token.kind, token.value }
end
function Parser:expression(least)
  local left = self:primary()
  while true do
    local op = self:peek()
    local power = POWERS[op] or 0
    if power <= least then return left end
    self.at = self.at + 1
    left = { op, left, self:expression(power) }
  end
end

local function evaluate(tree, variables)
  local kind = tree[1]
  if kind == "number" then return tree[2] end
  if kind == "name" then return variables[tree[2]] end
  if kind == "negate" then return -evaluate(tree[2], variables) end
  local a = evaluate(tree[2], variables)
  local b = evaluate(tree[3], variables)
  if kind == "+" then return a + b end
  if kind == "-" then return a - b end
  if kind == "*" then return a * b end
  return a % b
end

local function main()
  local parses = 4000
  local texts = { "1 + 2 * x - (y + 3) * 4", "((x + 1) * (y + 2) - z * z) % 1009", "-(x - 17) * 3 + 12 * (z - -5)" }
  local sum = 0
  for i = 0, parses - 1 do
    for t = 1, #texts do
      local tree = setmetatable({ tokens = tokens(texts[t]), at = 1 }, Parser):expression(0)
      local variables = { x = i, y = i % 10, z = 0 }
      for z = 0, 29 do
        variables.z = z
        sum = fmod(sum + evaluate(tree, variables), 1000003)
      end
    end
  end
  print(string.format("%d", (sum + 1000003) % 1000003))
end
main()
