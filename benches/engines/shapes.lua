local sqrt = math.sqrt
local function class() local c = {} c.__index = c return c end
local Square, Oblong, Disc, Ring, Triangle = class(), class(), class(), class(), class()
function Square:area() return self.side * self.side end
function Square:outline() return 4.0 * self.side end
function Square:grow(by) self.side = self.side + by end
function Oblong:area() return self.width * self.height end
function Oblong:outline() return 2.0 * (self.width + self.height) end
function Oblong:grow(by)
  self.width = self.width + by
  self.height = self.height + by
end
function Disc:area() return 3.141592653589793 * self.radius * self.radius end
function Disc:outline() return 6.283185307179586 * self.radius end
function Disc:grow(by) self.radius = self.radius + by end
function Ring:area() return 3.141592653589793 * (self.outer * self.outer - self.inner * self.inner) end
function Ring:outline() return 6.283185307179586 * (self.outer + self.inner) end
function Ring:grow(by) self.outer = self.outer + by end
function Triangle:area()
  local s = self:outline() / 2.0
  return sqrt(s * (s - self.a) * (s - self.b) * (s - self.c))
end
function Triangle:outline() return self.a + self.b + self.c end
function Triangle:grow(by)
  self.a = self.a + by
  self.b = self.b + by
  self.c = self.c + by
end

local function make(kind, size)
  if kind == 0 then return setmetatable({ side = size }, Square) end
  if kind == 1 then return setmetatable({ width = size, height = size + 1.5 }, Oblong) end
  if kind == 2 then return setmetatable({ radius = size }, Disc) end
  if kind == 3 then return setmetatable({ inner = size, outer = size + 0.5 }, Ring) end
  return setmetatable({ a = size + 2.0, b = size + 3.0, c = size + 4.0 }, Triangle)
end

local function main()
  local shapes = {}
  local seed = 42
  for i = 1, 1000 do
    seed = seed * 16807 % 2147483647
    shapes[i] = make(seed % 5, 1.0 + seed % 100 / 10.0)
  end
  local area, outline = 0.0, 0.0
  for round = 1, 2500 do
    for i = 1, #shapes do
      local shape = shapes[i]
      area = area + shape:area()
      outline = outline + shape:outline()
      shape:grow(0.01)
    end
  end
  print(string.format("%.4f %.4f", area, outline))
end
main()
