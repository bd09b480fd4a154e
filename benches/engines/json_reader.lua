local sub = string.sub
local Reader = {}
Reader.__index = Reader
function Reader:skip()
  while self.at <= self.size do
    local c = sub(self.text, self.at, self.at)
    if c ~= " " and c ~= "\n" then return end
    self.at = self.at + 1
  end
end
function Reader:expect(c)
  if sub(self.text, self.at, self.at) ~= c then error("expected " .. c .. " at " .. self.at) end
  self.at = self.at + 1
end
function Reader:value()
  self:skip()
  local c = sub(self.text, self.at, self.at)
  if c == "{" then return self:object() end
  if c == "[" then return self:list() end
  if c == '"' then return self:string() end
  if c == "t" then
    self.at = self.at + 4
    return true
  end
  if c == "f" then
    self.at = self.at + 5
    return false
  end
  return self:number()
end
function Reader:object()
  local result = {}
  self:expect("{")
  while true do
    self:skip()
    local key = self:string()
    self:skip()
    self:expect(":")
    result[key] = self:value()
    self:skip()
    if sub(self.text, self.at, self.at) == "}" then break end
    self:expect(",")
  end
  self.at = self.at + 1
  return result
end
function Reader:list()
  local result = {}
  self:expect("[")
  while true do
    result[#result + 1] = self:value()
    self:skip()
    if sub(self.text, self.at, self.at) == "]" then break end
    self:expect(",")
  end
  self.at = self.at + 1
  return result
end
function Reader:string()
  self:expect('"')
  local start = self.at
  while sub(self.text, self.at, self.at) ~= '"' do self.at = self.at + 1 end
  self.at = self.at + 1
  return sub(self.text, start, self.at - 2)
end
function Reader:number()
  local start = self.at
  while self.at <= self.size do
    local c = sub(self.text, self.at, self.at)
    if c < "0" or c > "9" then break end
    self.at = self.at + 1
  end
  return tonumber(sub(self.text, start, self.at - 1))
end

local function make_text(count)
  local parts = {}
  for i = 0, count - 1 do
    local tags = '["tag' .. i % 7 .. '", "tag' .. i % 11 .. '", "x"]'
    local size = '{"w": ' .. i % 50 .. ', "h": ' .. i % 31 .. '}'
    parts[i + 1] = '{"id": ' .. i .. ', "name": "item ' .. i .. '", "tags": ' .. tags .. ', "size": ' .. size
      .. ', "on": ' .. tostring(i % 2 == 0) .. '}'
  end
  return "[" .. table.concat(parts, ",\n ") .. "]"
end

local function main()
  local rounds = 100
  local text = make_text(300)
  local sum = 0
  for round = 1, rounds do
    local items = setmetatable({ text = text, at = 1, size = #text }, Reader):value()
    for i = 1, #items do
      local item = items[i]
      sum = sum + item.id + item.size.w * item.size.h + #item.name
      if item.on then sum = sum + #item.tags[2] end
    end
  end
  print(string.format("%d %d", #text, sum))
end
main()
